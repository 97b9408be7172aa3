"""What no answer proves is not called a violation: unanswered operations, and operations at the same time."""

import pytest

from tests.consistency.history import MOVED_ON, NOT_SENT, REUSED, REVOKED, UNKNOWN, Rotates, Target
from tests.consistency.stories import Story

BARRIERS = [(Target.SUBJECT, "ada"), (Target.DEVICE, "ada|phone"), (Target.CLIENT, "app")]


@pytest.mark.parametrize(("target", "value"), [*BARRIERS, (Target.SESSION, "s"), (Target.TOKEN, "s0")])
def test_an_unanswered_revoke_may_take_effect_late(target: Target, value: str) -> None:
    """Active for a while after the client gave up, and then inactive for good."""
    story = Story()
    story.issue()
    story.revoke(target, value, outcome=UNKNOWN)
    story.look("s-a0", True)
    story.look("s0", True)
    story.look("s-a0", False)
    story.refresh("s0", outcome=REVOKED)
    assert story.violations() == []


@pytest.mark.parametrize(("target", "value"), BARRIERS)
def test_an_unanswered_barrier_may_end_what_begins_later(target: Target, value: str) -> None:
    """A login after the client gave up may still be covered when the Revoke takes effect."""
    story = Story()
    story.revoke(target, value, outcome=UNKNOWN)
    story.issue()
    story.look("s-a0", False)
    assert story.violations() == []


@pytest.mark.parametrize("active", [True, False])
def test_a_login_at_the_time_of_a_barrier_may_be_ended_or_not(active: bool) -> None:
    """Neither had been answered when the other began."""
    story = Story()
    story.issue(at=(0, 20))
    story.revoke(Target.SUBJECT, "ada", at=(10, 30))
    story.look("s-a0", active)
    assert story.violations() == []


def test_a_look_at_the_time_of_a_revoke_may_see_it_or_not() -> None:
    """Two looks that began before the answer to the Revoke."""
    story = Story()
    story.issue()
    story.revoke(Target.SESSION, "s", at=(10, 40))
    story.look("s-a0", True, at=(20, 50))
    story.look("s-a0", False, at=(20, 30))
    assert story.violations() == []


def test_an_unanswered_refresh_may_have_rotated() -> None:
    """Then the token is inactive, and a repetition gets the successor that nobody was told."""
    story = Story()
    story.issue()
    story.refresh("s0", outcome=UNKNOWN)
    story.look("s0", True)
    story.look("s0", False)
    story.refresh("s0")
    assert story.violations() == []


def test_an_unanswered_refresh_may_make_a_repetition_reuse() -> None:
    """Without a window the second one to be done is reuse, and the newest token of the family is then revoked."""
    story = Story(retries=False)
    story.issue()
    story.refresh("s0", outcome=UNKNOWN)
    story.refresh("s0", outcome=REUSED)
    story.look("s-a0", False)
    assert story.violations() == []


def test_of_two_unanswered_refreshes_one_may_have_been_reuse() -> None:
    """Without a window two at once suffice to end the family; who comes then is told REUSED."""
    story = Story(retries=False)
    story.issue()
    story.refresh("s0", outcome=UNKNOWN)
    story.refresh("s0", outcome=UNKNOWN)
    story.look("s-a0", False)
    story.refresh("s0", outcome=REUSED)
    assert story.violations() == []


def test_an_unanswered_repetition_may_become_reuse() -> None:
    """It may be done only after the successor has been consumed; the newest token is then revoked."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.refresh("s0", outcome=UNKNOWN)
    story.refresh("s1")
    story.look("s-a0", True)
    story.refresh("s2", outcome=REVOKED)
    story.look("s-a0", False)
    story.refresh("s1", outcome=REUSED)
    assert story.violations() == []


def test_a_successor_used_without_an_answer_makes_reuse_possible() -> None:
    """The refresh of the successor may have been done, so the one before it may be too old."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.refresh("s1", outcome=UNKNOWN)
    story.refresh("s0", outcome=REUSED)
    assert story.violations() == []


def test_of_two_refreshes_at_once_without_a_window_one_is_reuse() -> None:
    """The one is answered, the other refused, and the successor is dead at birth."""
    story = Story(retries=False)
    story.issue()
    story.refresh("s0", at=(10, 20))
    story.refresh("s0", at=(10, 20), outcome=REUSED)
    story.refresh("s1", outcome=REVOKED)
    assert story.violations() == []


def test_a_refresh_at_the_time_of_a_revoke_may_succeed() -> None:
    """Its access token is inactive from the beginning."""
    story = Story()
    story.issue()
    story.refresh("s0", at=(10, 40))
    story.revoke(Target.SUBJECT, "ada", at=(20, 30))
    story.look("s-a1", False)
    assert story.violations() == []


def test_a_consumed_token_of_a_revoked_family_is_called_revoked() -> None:
    """REUSED is for families that reuse has ended; where both may be, either is right."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.refresh("s1")
    story.revoke(Target.SESSION, "s", outcome=UNKNOWN)
    story.refresh("s0", outcome=REVOKED)
    assert story.violations() == []


def test_an_unanswered_end_of_an_access_token_says_nothing_of_its_family() -> None:
    """It is inactive, and everything else goes on."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.revoke(Target.TOKEN, "s-a0", outcome=UNKNOWN)
    story.look("s-a0", False)
    story.look("s-a1", True)
    story.refresh("s1")
    assert story.violations() == []


def test_a_consumed_token_that_is_inactive_says_nothing_of_its_family() -> None:
    """Consumed by a refresh without an answer: the access token lives."""
    story = Story()
    story.issue()
    story.refresh("s0", outcome=UNKNOWN)
    story.look("s0", False)
    story.look("s-a0", True)
    assert story.violations() == []


def test_a_batch_may_hold_inactive_tokens_of_a_family_that_lives() -> None:
    """One was consumed and one was revoked, perhaps."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.revoke(Target.TOKEN, "s-a0", outcome=UNKNOWN)
    for token, active in (("s0", False), ("s1", True), ("s-a0", False), ("s-a1", True)):
        story.look(token, active, at=(30, 40), batch="b")
    assert story.violations() == []


def test_what_was_not_sent_is_no_violation() -> None:
    """Whatever it was."""
    story = Story()
    story.issue()
    story.refresh("s0", outcome=NOT_SENT)
    story.revoke(Target.SESSION, "s", outcome=NOT_SENT)
    story.look("s0", True)
    assert story.violations() == []


def test_unanswered_looks_and_issues_say_nothing() -> None:
    """Whatever became of them."""
    story = Story()
    story.issue(outcome=UNKNOWN)
    story.issue()
    story.look("s-a0", False, outcome=UNKNOWN)
    story.look("s-a0", True)
    assert story.violations() == []


def test_an_unanswered_issue_may_have_begun_the_session_of_its_key() -> None:
    """A repetition is told the same session; a barrier in between may have ended it, and then the key has moved on."""
    story = Story()
    story.issue(key="k", outcome=UNKNOWN)
    story.revoke(Target.SUBJECT, "ada")
    story.issue(key="k", outcome=MOVED_ON)
    story.issue("t", key="l", outcome=UNKNOWN)
    story.issue("t", key="l")
    story.issue("t", key="l", access_token="t-a9")
    story.refresh("t0")
    story.issue("t", key="l", outcome=MOVED_ON)
    assert story.violations() == []


def test_an_issue_repeated_after_a_barrier_may_begin_a_session_or_find_one() -> None:
    """What an unanswered Issue began is ended by the barrier; what the repetition begins is not."""
    story = Story()
    story.issue(key="k", at=(0, 5), outcome=UNKNOWN)
    story.revoke(Target.SUBJECT, "ada")
    story.issue(key="k")
    story.look("s-a0", False)
    assert story.violations() == []


def test_an_answer_that_is_no_refusal_leaves_open_what_happened() -> None:
    """INTERNAL is a violation of its own, and what it did may be seen."""
    story = Story()
    story.issue()
    story.revoke(Target.SESSION, "s", outcome="INTERNAL")
    story.look("s-a0", False)
    assert [len(found.operations) for found in story.violations()] == [1]


def test_a_token_may_be_kept_until_it_is_consumed() -> None:
    """Where only some refreshes rotate, a token may be presented again and again, and retried once it has rotated."""
    story = Story(rotates=Rotates.SOMETIMES)
    story.issue()
    for _ in range(3):
        story.refresh("s0", successor="s0")
        story.look("s0", True)
    story.refresh("s0", outcome=UNKNOWN)
    story.refresh("s0", successor="s0")
    story.refresh("s0")
    story.refresh("s0")
    story.look("s0", False)
    story.refresh("s1", successor="s1")
    assert story.violations() == []


def test_stateless_tokens_may_be_presented_as_often_as_one_likes() -> None:
    """None is consumed, each has as many successors as were asked for, and all end together."""
    story = Story(rotates=Rotates.UNNOTICED, retries=False)
    story.issue()
    story.refresh("s0", successor="s1")
    story.refresh("s0", successor="s2")
    story.refresh("s1", successor="s3")
    for token in ("s0", "s1", "s2", "s3"):
        story.look(token, True)
    story.revoke(Target.TOKEN, "s1")
    story.refresh("s3", outcome=REVOKED)
    story.look("s0", False)
    assert story.violations() == []


def test_siblings_may_have_one_successor() -> None:
    """Two stateless tokens that came from one, presented in the same moment, are answered with the same token."""
    story = Story(rotates=Rotates.UNNOTICED, retries=False)
    story.issue()
    story.refresh("s0", successor="s1")
    story.refresh("s0", successor="s2")
    story.refresh("s1", successor="s3")
    story.refresh("s2", successor="s3")
    assert story.violations() == []
