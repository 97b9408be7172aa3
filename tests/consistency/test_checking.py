"""The checker finds each kind of violation where one is planted, and what it says names the operations."""

import pytest

from tests.consistency.checking import Rule
from tests.consistency.history import MOVED_ON, NOT_SENT, REUSED, REVOKED, UNKNOWN, Rotates, Target
from tests.consistency.stories import Story


def broken(story: Story) -> list[tuple[Rule, list[str]]]:
    """The rules that a story breaks, each with the names of the operations that show it."""
    return [(found.rule, [operation.name for operation in found.operations]) for found in story.violations()]


def test_a_life_without_faults_breaks_nothing() -> None:
    """Issue, refresh, repeat, refresh, reuse and all its consequences, in order: no violation."""
    story = Story()
    story.issue(revision=1)
    story.look("s0", True, revision=1)
    story.refresh("s0")
    story.look("s0", False)
    story.refresh("s0")
    story.refresh("s1")
    story.look("s-a0", True)
    story.refresh("s0", outcome=REUSED)
    story.refresh("s2", outcome=REVOKED)
    story.refresh("s1", outcome=REUSED)
    story.look("s-a0", False)
    story.look("s-a2", False)
    story.issue("t", revision=2)
    assert broken(story) == []


def test_two_successors_are_found() -> None:
    """One refresh token was answered with two different ones."""
    story = Story()
    story.issue()
    story.refresh("s0", "s1")
    story.refresh("s0", "s9")
    assert (Rule.ONE_SUCCESSOR, ["op-1", "op-2"]) in broken(story)


def test_a_successor_of_two_tokens_is_found() -> None:
    """Two refresh tokens were answered with the same one."""
    story = Story()
    story.issue()
    story.refresh("s0", "s1")
    story.refresh("s1", "s1")
    assert (Rule.ONE_SUCCESSOR, ["op-1", "op-2"]) in broken(story)


def test_an_access_token_given_twice_is_found() -> None:
    """Two answers hold the same access token."""
    story = Story()
    story.issue()
    story.refresh("s0", access_token="s-a0")
    assert broken(story) == [(Rule.ONE_SUCCESSOR, ["op-0", "op-1"])]


def test_an_idempotency_key_with_two_sessions_is_found() -> None:
    """Two Issues with one key began two sessions."""
    story = Story()
    story.issue("s", key="k")
    story.issue("t", key="k")
    assert (Rule.ONE_SUCCESSOR, ["op-0", "op-1"]) in broken(story)


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (Target.SESSION, "s"),
        (Target.TOKEN, "s0"),
        (Target.TOKEN, "s1"),
        (Target.SUBJECT, "ada"),
        (Target.DEVICE, "ada|phone"),
        (Target.CLIENT, "app"),
    ],
)
def test_a_look_that_misses_a_revocation_is_found(target: Target, value: str) -> None:
    """A token is active in a look that began after the answer to a Revoke of all that it belongs to."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.revoke(target, value)
    story.look("s-a0", True)
    story.look("s1", True)
    assert broken(story) == [(Rule.STAYS_ENDED, ["op-2", "op-3"]), (Rule.STAYS_ENDED, ["op-2", "op-4"])]


def test_a_look_that_misses_the_end_of_one_access_token_is_found() -> None:
    """The revoked access token is active; the others of its family may be."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.revoke(Target.TOKEN, "s-a0")
    story.look("s-a0", True)
    story.look("s-a1", True)
    assert broken(story) == [(Rule.STAYS_ENDED, ["op-2", "op-3"])]


def test_a_refresh_that_misses_a_revocation_is_found() -> None:
    """A refresh succeeded that began after the answer to a Revoke."""
    story = Story()
    story.issue()
    story.revoke(Target.SESSION, "s")
    story.refresh("s0")
    assert broken(story) == [(Rule.STAYS_ENDED, ["op-1", "op-2"])]


def test_a_token_that_comes_back_to_life_is_found() -> None:
    """Inactive, because of a Revoke without an answer, and then active again."""
    story = Story()
    story.issue()
    story.revoke(Target.TOKEN, "s-a0", outcome=UNKNOWN)
    story.look("s-a0", False)
    story.look("s-a0", True)
    assert broken(story) == [(Rule.STAYS_ENDED, ["op-2", "op-3"])]


def test_a_family_that_comes_back_to_life_is_found() -> None:
    """One access token is inactive with no cause but the end of the family, and then another one is active."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.revoke(Target.SUBJECT, "ada", outcome=UNKNOWN)
    story.look("s-a0", False)
    story.look("s-a1", True)
    assert broken(story) == [(Rule.STAYS_ENDED, ["op-3", "op-4"])]


def test_a_refresh_after_a_refusal_as_revoked_is_found() -> None:
    """REVOKED proves the end of the family, so no later refresh may succeed."""
    story = Story()
    story.issue()
    story.revoke(Target.SESSION, "s", outcome=UNKNOWN)
    story.refresh("s0", outcome=REVOKED)
    story.refresh("s0")
    assert broken(story) == [(Rule.STAYS_ENDED, ["op-2", "op-3"])]


def test_a_family_that_survives_reuse_is_found() -> None:
    """After REUSED an access token is active, and the newest refresh token is refreshed."""
    story = Story(retries=False)
    story.issue()
    story.refresh("s0")
    story.refresh("s0", outcome=REUSED)
    story.look("s-a0", True)
    story.refresh("s1")
    assert broken(story) == [(Rule.REUSE_ENDS, ["op-2", "op-3"]), (Rule.REUSE_ENDS, ["op-2", "op-4"])]


def test_a_token_two_generations_old_that_is_refreshed_is_found() -> None:
    """Even with a retry window, only the newest and the one before it may be presented."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.refresh("s1")
    story.refresh("s0")
    assert broken(story) == [(Rule.REUSE_ENDS, ["op-2", "op-3"])]


def test_a_repeated_refresh_without_a_window_is_found() -> None:
    """Without a retry window not even two refreshes at once may both succeed."""
    story = Story(retries=False)
    story.issue()
    story.refresh("s0", at=(10, 20))
    story.refresh("s0", at=(11, 21))
    assert broken(story) == [(Rule.REUSE_ENDS, ["op-1", "op-2"])]


def test_reuse_that_is_called_revoked_is_found() -> None:
    """Nobody has revoked anything, so a consumed token must be told that it was reused."""
    story = Story(retries=False)
    story.issue()
    story.refresh("s0")
    story.refresh("s0", outcome=REUSED)
    story.refresh("s0", outcome=REVOKED)
    assert broken(story) == [(Rule.REUSE_ENDS, ["op-1", "op-3"])]


def test_a_lost_issue_is_found() -> None:
    """An answered Issue's tokens are inactive, or refused, though nothing ended them."""
    story = Story()
    story.issue()
    story.look("s-a0", False)
    story.issue("t")
    story.look("t0", False)
    story.issue("u")
    story.refresh("u0", outcome=REVOKED)
    kept = [(Rule.KEPT, ["op-0", "op-1"]), (Rule.KEPT, ["op-2", "op-3"]), (Rule.KEPT, ["op-4", "op-5"])]
    assert broken(story) == kept


def test_a_forgotten_rotation_is_found() -> None:
    """A consumed refresh token is active again."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.look("s0", True)
    assert broken(story) == [(Rule.KEPT, ["op-1", "op-2"])]


def test_the_newest_token_called_reused_is_found() -> None:
    """A token that nobody else has presented cannot have been consumed."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.refresh("s1", outcome=REUSED)
    assert broken(story) == [(Rule.KEPT, ["op-2"])]


def test_a_repetition_within_the_window_called_reused_is_found() -> None:
    """The successor was not presented, so the one before it may still be repeated."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.refresh("s0", outcome=REUSED)
    assert broken(story) == [(Rule.KEPT, ["op-1", "op-2"])]


def test_a_login_that_an_older_barrier_ends_is_found() -> None:
    """A login that began after the answer to a Revoke of the subject is not concerned."""
    story = Story()
    story.revoke(Target.SUBJECT, "ada")
    story.issue()
    story.look("s-a0", False)
    assert broken(story) == [(Rule.KEPT, ["op-1", "op-2"])]


def test_a_cause_that_was_not_sent_is_none() -> None:
    """A Revoke that found no connection cannot be why a token is inactive."""
    story = Story()
    story.issue()
    story.revoke(Target.SESSION, "s", outcome=NOT_SENT)
    story.look("s-a0", False)
    assert broken(story) == [(Rule.KEPT, ["op-0", "op-2"])]


def test_a_cause_that_comes_too_late_is_found() -> None:
    """A token is inactive in a look that was answered before the Revoke began."""
    story = Story()
    story.issue()
    story.look("s-a0", False)
    story.revoke(Target.SESSION, "s")
    assert broken(story) == [(Rule.KEPT, ["op-0", "op-1"])]


def test_a_key_refused_before_its_session_was_used_is_found() -> None:
    """A repeated Issue gets the same answer until the session moves on."""
    story = Story()
    story.issue(key="k")
    story.issue(key="k", outcome=MOVED_ON)
    assert broken(story) == [(Rule.KEPT, ["op-1"])]


def test_a_used_session_that_is_answered_as_new_is_found() -> None:
    """A repeated Issue hands out a consumed refresh token."""
    story = Story()
    story.issue(key="k")
    story.refresh("s0")
    story.issue(key="k", access_token="s-a9")
    assert broken(story) == [(Rule.KEPT, ["op-1", "op-2"])]


def test_a_revision_that_goes_back_is_found() -> None:
    """A look began after the answer to a Revoke and is based on a log without it."""
    story = Story()
    story.issue(revision=4)
    story.issue("t", subject="eve", revision=4)
    story.revoke(Target.SUBJECT, "eve", revision=5)
    story.look("s-a0", True, revision=4)
    assert broken(story) == [(Rule.FRESH, ["op-2", "op-3"])]


def test_a_batch_of_two_states_is_found() -> None:
    """Of one family an access token is inactive, though nobody revoked it alone, and another one active."""
    story = Story()
    story.issue()
    story.refresh("s0")
    story.revoke(Target.SESSION, "s", at=(20, 60))
    story.look("s-a0", False, at=(30, 40), batch="b")
    story.look("s-a1", True, at=(30, 40), batch="b")
    story.look("s-a0", False, at=(30, 40), batch="c")
    story.look("s-a1", True, at=(30, 40), batch="d")
    assert broken(story) == [(Rule.ONE_STATE, ["op-3", "op-4"])]


def test_an_answer_about_another_session_is_found() -> None:
    """A look and a refresh tell of a session that the token does not belong to."""
    story = Story()
    story.issue()
    story.look("s-a0", True, session="t")
    story.refresh("s0", session="t")
    assert broken(story) == [(Rule.ABOUT_IT, ["op-0", "op-1"]), (Rule.ABOUT_IT, ["op-0", "op-2"])]


@pytest.mark.parametrize("outcome", ["INTERNAL", "REFRESH_TOKEN_INVALID", "CALLER_UNAUTHENTICATED", "INVALID_REQUEST"])
def test_an_unexpected_status_is_found(outcome: str) -> None:
    """Anything but success, silence and the refusals that may be."""
    story = Story()
    story.issue()
    story.refresh("s0", outcome=outcome)
    assert broken(story) == [(Rule.STATUS, ["op-1"])]


def test_a_violation_says_what_happened() -> None:
    """The statement is followed by the operations with their moments, nodes and outcomes."""
    story = Story()
    story.issue()
    story.revoke(Target.SESSION, "s")
    story.look("s-a0", True)
    (found,) = story.violations()
    assert str(found).splitlines() == [
        "STAYS_ENDED: a token that was ended is active",
        "    0.000000..0.000000 op-1 Revoke node=1 outcome=OK target=session_id value=s",
        "    0.000000..0.000000 op-2 Introspect node=1 outcome=OK token=s-a0 active=True session=s",
    ]


def test_a_consumed_token_that_is_kept_is_found() -> None:
    """Where only some refreshes rotate, one that has rotated has consumed its token for good."""
    story = Story(rotates=Rotates.SOMETIMES)
    story.issue()
    story.refresh("s0", successor="s0")
    story.refresh("s0")
    story.refresh("s0", successor="s0")
    assert broken(story) == [(Rule.REUSE_ENDS, ["op-2", "op-3"])]


def test_two_successors_are_found_where_tokens_are_kept_too() -> None:
    """Of a token that may be kept there is still one successor at most."""
    story = Story(rotates=Rotates.SOMETIMES)
    story.issue()
    story.refresh("s0", successor="s0")
    story.refresh("s0")
    story.refresh("s0", successor="s7")
    assert broken(story) == [(Rule.ONE_SUCCESSOR, ["op-2", "op-3"])]


def test_a_stateless_token_that_survives_its_end_is_found() -> None:
    """Whoever cannot notice reuse must notice revocations all the same."""
    story = Story(rotates=Rotates.UNNOTICED)
    story.issue()
    story.refresh("s0")
    story.revoke(Target.TOKEN, "s0")
    story.refresh("s1")
    story.look("s0", True)
    assert [rule for rule, _ in broken(story)] == [Rule.STAYS_ENDED, Rule.STAYS_ENDED]


def test_a_stateless_token_that_is_called_reused_is_found() -> None:
    """Nobody can know, so nobody may say so."""
    story = Story(rotates=Rotates.UNNOTICED)
    story.issue()
    story.refresh("s0")
    story.refresh("s0", outcome=REUSED)
    assert [rule for rule, _ in broken(story)] == [Rule.KEPT]
