"""What the generation of a refresh token leads to: rotation, the same successor again, reuse, or a healed row."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.samples import GRANT, NOW, WINDOW, a_session, an_attempt, decide, phone, refreshed, refused
from tokensvc.domain.effects import AuditEvent, Effects
from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import DAY, HOUR, MAX_RETRY_WINDOW, BindingPolicy
from tokensvc.domain.refresh import REUSE
from tokensvc.domain.refresh_token import MAX_GENERATION
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.session import ClientContext

SEEN = an_attempt().place.traces(BindingPolicy())


def test_the_current_token_rotates() -> None:
    """The current token advances the session by one generation, and counts as use and as rotation."""
    effects = decide(an_attempt(5), a_session(5))
    after = replace(a_session(5), generation=6, rotated_at=NOW, used_at=NOW, retry_window=WINDOW, last_seen=SEEN)
    assert refreshed(effects).session == effects.session == after
    assert effects.log == ()


def test_a_rotation_is_audited() -> None:
    """The audit trail says who refreshed what, from where, and from which generation to which."""
    (event,) = decide(an_attempt(5), a_session(5)).audit
    assert event == AuditEvent(
        "session.refreshed",
        at=NOW,
        caller="bff",
        client_id="phone",
        subject="ada",
        session_id=GRANT.session_id,
        ip="192.0.2.7",
        details={"generation": 6, "presented": 5},
    )


def test_a_rotation_changes_nothing_that_issue_fixed() -> None:
    """The absolute end and the whole grant survive every rotation."""
    session = a_session(0)
    for generation in range(5):
        session = refreshed(decide(an_attempt(generation, now=NOW + generation * DAY), session)).session
    assert session.grant == GRANT
    assert session.idle_expires_at == NOW + 4 * DAY + GRANT.idle_ttl


def test_a_retry_answers_the_same_successor() -> None:
    """The token before the current one, presented again in the window, leads to the present state, and writes none."""
    session = a_session(6, rotated_at=NOW - 1)
    effects = decide(an_attempt(5), session)
    assert refreshed(effects).session == session
    assert (effects.session, effects.log) == (None, ())
    assert [event.type for event in effects.audit] == ["session.refresh_retried"]


@pytest.mark.parametrize("elapsed", [0, 1, WINDOW - 1])
def test_the_window_is_open_until_its_last_millisecond(elapsed: int) -> None:
    """A retry is answered from the rotation on until the window is over."""
    assert refreshed(decide(an_attempt(5), a_session(6, rotated_at=NOW - elapsed)))


def test_a_refresh_that_tells_no_origin_changes_none() -> None:
    """Address, user agent and place stay as they were last given."""
    seen = replace(a_session(5), last_seen=SEEN, last_location="Lyon, FR")
    after = refreshed(decide(an_attempt(5, context=ClientContext()), seen)).session
    assert (after.last_seen, after.last_location) == (SEEN, "Lyon, FR")


@pytest.mark.parametrize("elapsed", [WINDOW, WINDOW + 1, HOUR])
def test_the_window_closes(elapsed: int) -> None:
    """The moment at which the window is over is the first at which a retry is reuse."""
    assert refused(decide(an_attempt(5), a_session(6, rotated_at=NOW - elapsed))).reason is Reason.REFRESH_TOKEN_REUSED


def test_a_window_of_zero_answers_no_retry() -> None:
    """Without a window even a retry in the very millisecond of the rotation is reuse."""
    effects = decide(an_attempt(5), a_session(6, rotated_at=NOW), phone(retry_window=0))
    assert refused(effects).reason is Reason.REFRESH_TOKEN_REUSED


@pytest.mark.parametrize(("then", "now"), [(WINDOW, 0), (0, WINDOW), (WINDOW, WINDOW // 2), (WINDOW // 2, WINDOW)])
def test_the_window_is_the_shorter_of_then_and_now(then: int, now: int) -> None:
    """A policy that shortens the window counts at once; one that widens it revives nothing that was consumed."""
    session = refreshed(decide(an_attempt(5), a_session(5), phone(retry_window=then))).session
    late, later = an_attempt(5, now=NOW + min(then, now) - 1), an_attempt(5, now=NOW + min(then, now))
    if min(then, now):
        assert refreshed(decide(late, session, phone(retry_window=now))).session == session
    assert refused(decide(later, session, phone(retry_window=now))).reason is Reason.REFRESH_TOKEN_REUSED


def test_a_retry_does_not_move_the_window() -> None:
    """However often a token is retried, the window ends where the rotation put its end."""
    session = a_session(6, rotated_at=NOW)
    for elapsed in range(0, WINDOW, WINDOW // 10):
        assert refreshed(decide(an_attempt(5, now=NOW + elapsed), session)).session.rotated_at == NOW
    assert refused(decide(an_attempt(5, now=NOW + WINDOW), session)).reason is Reason.REFRESH_TOKEN_REUSED


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_jump_of_the_clock_closes_the_window(jump: int) -> None:
    """With the clock set an hour either way a consumed token is consumed: it is not retried, it is reuse."""
    session = refreshed(decide(an_attempt(5), a_session(5))).session
    assert refused(decide(an_attempt(5, now=NOW + jump), session)).reason is Reason.REFRESH_TOKEN_REUSED


def test_a_clock_that_is_a_little_behind_still_answers_a_retry() -> None:
    """Another node's clock may not have reached the rotation yet; the window reaches as far to that side."""
    session = a_session(6, rotated_at=NOW)
    assert refreshed(decide(an_attempt(5, now=NOW - WINDOW + 1), session))
    assert refused(decide(an_attempt(5, now=NOW - WINDOW), session)).reason is Reason.REFRESH_TOKEN_REUSED


@given(
    presented=st.integers(0, 40),
    behind=st.integers(2, 40),
    elapsed=st.integers(-MAX_RETRY_WINDOW, MAX_RETRY_WINDOW),
    window=st.integers(0, MAX_RETRY_WINDOW),
)
def test_no_window_covers_two_rotations(presented: int, behind: int, elapsed: int, window: int) -> None:
    """A token that is two or more generations old is reuse at every moment and under every window."""
    session = a_session(presented + behind, rotated_at=NOW - elapsed, retry_window=window)
    assert refused(decide(an_attempt(presented), session, phone(retry_window=window))).reason == "REFRESH_TOKEN_REUSED"


def test_rotations_within_one_millisecond_are_told_apart() -> None:
    """Rotate twice at one moment and replay the first token: caught, because generations are counted, not timed."""
    first = refreshed(decide(an_attempt(0), a_session(0))).session
    second = refreshed(decide(an_attempt(1), first)).session
    assert second.rotated_at == first.rotated_at
    assert refused(decide(an_attempt(0), second)).reason is Reason.REFRESH_TOKEN_REUSED


def test_reuse_ends_the_session() -> None:
    """Reuse writes the end of the session into its row and changes nothing else of it."""
    session = a_session(6)
    effects = decide(an_attempt(4), session)
    assert effects.session == replace(session, revoked_at=NOW, revoke_reason=REUSE)


def test_reuse_ends_the_access_tokens() -> None:
    """Reuse logs the session's end for as long as the last of its access tokens can live."""
    expires_at = NOW + GRANT.access_ttl
    entry = LogEntry(EntryKind.SESSION, GRANT.session_id, at=NOW, expires_at=expires_at, reason=REUSE)
    assert decide(an_attempt(4), a_session(6)).log == (entry,)


def test_reuse_is_audited() -> None:
    """The audit trail shows the reuse with the generation that came back and the one that was current."""
    (event,) = decide(an_attempt(4), a_session(6)).audit
    assert (event.type, event.subject, event.ip) == ("session.reuse_detected", "ada", "192.0.2.7")
    assert event.details == {"generation": 6, "presented": 4}


def test_after_reuse_even_the_current_token_is_dead() -> None:
    """The family is ended: the newest token of the thief or of the owner is refused as revoked."""
    ended = decide(an_attempt(4), a_session(6)).session
    assert refused(decide(an_attempt(6), ended)).reason is Reason.REFRESH_TOKEN_REVOKED


@pytest.mark.parametrize("presented", [0, 4, 5])
def test_after_reuse_a_consumed_token_is_answered_alike(presented: int) -> None:
    """Of many who present a consumed token, whoever comes first ends the family; the answer is the same to all."""
    first = decide(an_attempt(4), a_session(6))
    again = decide(an_attempt(presented), first.session)
    assert again == Effects(refused(first))


def test_a_session_that_was_revoked_shows_no_reuse() -> None:
    """An old token of a session that was ended otherwise is refused as revoked: nothing was reused to end it."""
    ended = replace(a_session(6), revoked_at=NOW - 1, revoke_reason="logout")
    assert refused(decide(an_attempt(4), ended)).reason is Reason.REFRESH_TOKEN_REVOKED


def test_a_generation_from_the_future_heals_the_row() -> None:
    """A genuine token ahead of its row shows that the row lost writes: the row moves on behind the token."""
    effects = decide(an_attempt(9), a_session(5))
    assert (
        effects.session
        == refreshed(effects).session
        == replace(a_session(5), generation=10, rotated_at=NOW, used_at=NOW, last_seen=SEEN)
    )
    assert [(event.type, event.details) for event in effects.audit] == [
        ("session.generation_healed", {"generation": 10, "presented": 9})
    ]


def test_a_healed_row_knows_its_consumed_tokens() -> None:
    """After healing, the lost generations count as consumed."""
    healed = refreshed(decide(an_attempt(9), a_session(5))).session
    assert refused(decide(an_attempt(7, now=NOW + 1), healed)).reason is Reason.REFRESH_TOKEN_REUSED
    assert refreshed(decide(an_attempt(9, now=NOW + 1), healed)).session.generation == 10


def test_the_last_generation_is_not_wrapped_around() -> None:
    """When the counter is used up the session has expired; it never starts again at zero."""
    assert refreshed(decide(an_attempt(MAX_GENERATION - 1), a_session(MAX_GENERATION - 1))).session.generation == (
        MAX_GENERATION
    )
    for current in (MAX_GENERATION, 3):
        effects = decide(an_attempt(MAX_GENERATION), a_session(current))
        assert refused(effects).reason is Reason.REFRESH_TOKEN_EXPIRED
        assert effects.session is None


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2 * WINDOW)), max_size=20))
def test_the_generation_never_goes_back(presentations: list[tuple[int, int]]) -> None:
    """Whatever is presented and when, the row's generation only grows, and once ended it stays ended."""
    session, now = a_session(0), NOW
    for generation, elapsed in presentations:
        now += elapsed
        after = decide(an_attempt(generation, now=now), session).session or session
        assert after.generation >= session.generation
        assert session.revoked_at is None or after == session
        session = after
