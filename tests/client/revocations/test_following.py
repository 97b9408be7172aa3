"""The state machine of following: what it asks for next, when it knows what, and how old that is."""

import pytest
from tokensvc_client.revocations.following import BrokenStreamError, Following, Patience, TooManyError
from tokensvc_client.revocations.view import GRACE
from tokensvc_client.verification.access_token import read_claims

from tests.client.revocations.messages import NOW, part, revocation, told
from tests.crypto.forging import TOKEN
from tests.harness import ISSUER
from tokensvc.domain.access_token import to_claims

PATIENCE = Patience(first=1.0, longest=8.0, silence=5.0)


def following() -> Following:
    """One that has not begun, and whose back-off is always the longest."""
    return Following(lambda: 1.0, PATIENCE)


def synchronised(revision: int = 5, at: float = 100.0) -> Following:
    """One that has its snapshot; the server's clock says NOW when ours says zero."""
    one = following()
    assert one.begin(at) == 0
    one.receive(told(revision=revision, looked_at=NOW + at), at)
    return one


def has_revoked(one: Following, **changes: object) -> bool:
    """Whether the view ends the token with such claims."""
    read = read_claims({**to_claims(TOKEN), **changes}, ISSUER)
    assert read is not None
    return one.view.has_revoked(read.beginnings)


def test_it_begins_with_a_snapshot_and_goes_on_from_there() -> None:
    """The first request is for everything; the next one, after a cut, for what has come since."""
    one = synchronised(revision=5)
    one.lost()
    assert one.begin(101.0) == 5


def test_a_snapshot_counts_when_it_is_complete() -> None:
    """Parts change nothing of what is known; a snapshot that was cut off is begun anew."""
    one = following()
    one.begin(100.0)
    one.receive(part(revocation(1, token_id="jti-1")), 100.1)
    assert (one.revision, one.synchronised_at, has_revoked(one)) == (0, float("-inf"), False)
    one.lost()
    assert one.begin(101.0) == 0
    one.receive(part(revocation(1, token_id="jti-1")), 101.1)
    one.receive(told(revision=1, looked_at=NOW + 101), 101.2)
    assert (one.revision, one.synchronised_at, has_revoked(one)) == (1, pytest.approx(101.0), True)


def test_a_part_of_a_snapshot_is_not_gone_on_from() -> None:
    """What comes behind it is not known, whatever revision it says."""
    one = following()
    one.begin(100.0)
    message = part(revocation(3, token_id="jti-1"))
    message.revision = 3
    one.receive(message, 100.1)
    one.lost()
    assert one.begin(101.0) == 0


def test_a_refused_revision_begins_anew_and_keeps_what_is_known() -> None:
    """While the new snapshot is under way the old view stays, and ages; then nothing of it is left."""
    one = synchronised(revision=5)
    one.receive(told(revocation(6, token_id="jti-1"), revision=6, looked_at=NOW + 101), 101.0)
    one.lost(refused=True)
    assert one.begin(110.0) == 0
    one.receive(part(revocation(1, token_id="other")), 110.1)
    assert (one.synchronised_at, has_revoked(one)) == (pytest.approx(101.0), True)
    one.receive(told(revision=2, looked_at=NOW + 110), 110.2)
    assert (one.revision, has_revoked(one), has_revoked(one, jti="other")) == (2, False, True)


def test_a_revision_that_falls_is_another_log() -> None:
    """A database that was restored from an older copy is followed from a snapshot."""
    one = synchronised(revision=5)
    with pytest.raises(BrokenStreamError):
        one.receive(told(revision=4, looked_at=NOW + 101), 101.0)
    one.lost()
    assert one.begin(102.0) == 0


def test_an_empty_log_is_known_too() -> None:
    """At revision zero a snapshot is complete when it says when the log was looked at."""
    one = synchronised(revision=0)
    assert one.synchronised_at == pytest.approx(100.0)
    one.lost()
    assert one.begin(101.0) == 0


def test_a_part_of_the_tail_is_gone_on_from() -> None:
    """A long tail that is cut in the middle is not asked for from its beginning, and does not make anything fresh."""
    one = synchronised(revision=5)
    message = part(revocation(6, token_id="jti-1"))
    message.revision = 6
    one.receive(message, 101.0)
    one.lost()
    assert (one.begin(102.0), one.synchronised_at, has_revoked(one)) == (6, pytest.approx(100.0), True)


def test_the_first_look_counts_from_the_request() -> None:
    """It was made after the stream was asked for; how long its message was under way nobody knows."""
    one = following()
    one.begin(100.0)
    one.receive(told(revision=5, looked_at=NOW), 103.0)
    assert one.synchronised_at == pytest.approx(100.0)


def test_after_a_long_beginning_the_stream_is_asked_for_anew() -> None:
    """A look that took seconds to come counts as that old, which must not be so for all that follow."""
    one = following()
    one.begin(100.0)
    assert one.receive(part(), 110.0)
    assert not one.receive(told(revision=5, looked_at=NOW + 100), 120.0)
    assert one.synchronised_at == pytest.approx(100.0)
    one.lost()
    assert one.begin(121.0) == 5
    assert one.receive(told(revision=5, looked_at=NOW + 121), 121.1)
    assert one.receive(told(revision=5, looked_at=NOW + 122), 122.1)
    assert one.synchronised_at == pytest.approx(122.0, abs=0.01)


def test_a_message_that_has_waited_is_as_old_as_it_is() -> None:
    """Ten heartbeats that come at once, after the process was stopped, do not all tell of this moment."""
    one = synchronised(at=100.0)
    one.receive(told(revision=5, looked_at=NOW + 100.5), 100.5)
    for beat in range(10):
        one.receive(told(revision=5, looked_at=NOW + 101 + beat), 120.0)
        assert one.synchronised_at == pytest.approx(101 + beat, abs=0.02)


def test_clocks_may_drift() -> None:
    """A server whose clock is slower by 0.05 % does not look older and older."""
    one = synchronised(at=100.0)
    for second in range(1, 5000):
        at = 100.0 + second
        one.receive(told(revision=5, looked_at=NOW + 100 + second * 0.9995), at)
        assert one.synchronised_at == pytest.approx(at, abs=0.01)


def test_a_clock_set_forward_makes_nothing_fresher() -> None:
    """No look is later than its message."""
    one = synchronised(at=100.0)
    one.receive(told(revision=5, looked_at=NOW + 3700), 101.0)
    assert one.synchronised_at == 101.0


def test_a_clock_set_back_begins_a_new_stream() -> None:
    """What its looks mean is not known any more; what is known stays, and is gone on from."""
    one = synchronised(at=100.0)
    with pytest.raises(BrokenStreamError):
        one.receive(told(revision=6, looked_at=NOW), 101.0)
    one.lost()
    assert (one.synchronised_at, one.begin(102.0)) == (pytest.approx(100.0), 5)


def test_it_waits_longer_and_longer_until_a_stream_lives() -> None:
    """Failures double the wait up to the longest; a stream that has lived for as long as a silence resets it."""
    one = synchronised()
    assert [one.lost() for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    one.begin(200.0)
    one.receive(told(revision=5, looked_at=NOW + 200), 200.1)
    one.receive(told(revision=5, looked_at=NOW + 205), 205.0)
    assert one.lost() == 1.0


def test_a_server_that_ends_each_stream_at_once_is_not_asked_for_ever() -> None:
    """A complete snapshot is no sign of a sound stream: the waits grow all the same."""
    one, now, waits = following(), 100.0, []
    for _ in range(5):
        one.begin(now)
        one.receive(told(revision=5, looked_at=NOW + now), now)
        waits.append(one.lost())
        now += waits[-1]
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0]


def few() -> Following:
    """One that keeps two entries at most, and knows of one."""
    one = Following(lambda: 1.0, PATIENCE, most=2)
    one.begin(100.0)
    one.receive(told(revocation(1, token_id="jti-1"), revision=1, looked_at=NOW + 100), 100.0)
    return one


def test_a_snapshot_of_too_many_is_given_up() -> None:
    """It is not kept, nothing counts as known, and it is asked for again after the longest wait."""
    one = few()
    one.lost(refused=True)
    one.begin(101.0)
    one.receive(part(*(revocation(number, token_id=f"a-{number}") for number in range(2))), 101.0)
    with pytest.raises(TooManyError, match="more than 2"):
        one.receive(part(revocation(2, token_id="a-2")), 101.1)
    assert (one.synchronised_at, one.view.size) == (float("-inf"), 1)
    assert one.lost() == PATIENCE.longest
    assert one.begin(110.0) == 0


def test_a_tail_of_too_many_is_given_up() -> None:
    """What is known stays for those who judge by it at this moment; a smaller snapshot brings it back."""
    one = few()
    more = [revocation(number, token_id=f"a-{number}") for number in (2, 3)]
    with pytest.raises(TooManyError):
        one.receive(told(*more, revision=3, looked_at=NOW + 101), 101.0)
    assert (one.synchronised_at, has_revoked(one, jti="jti-1")) == (float("-inf"), True)
    one.lost()
    assert one.begin(110.0) == 0
    one.receive(told(more[0], revision=3, looked_at=NOW + 110), 110.0)
    assert (one.synchronised_at, one.revision, has_revoked(one, jti="a-2")) == (pytest.approx(110.0), 3, True)


def beats(one: Following, seconds: range, *, server_is_ahead: float = 0.0) -> None:
    """A heartbeat a second, while the server's clock may be wrong."""
    for second in seconds:
        one.receive(told(revision=6, looked_at=NOW + second + server_is_ahead), float(second))


def test_what_has_expired_is_forgotten() -> None:
    """By the looks of the server, when its grace is over."""
    one = synchronised(at=100.0)
    one.receive(told(revocation(6, token_id="jti-1", expires_at=NOW + 400), revision=6, looked_at=NOW + 101), 101.0)
    beats(one, range(400, 400 + GRACE, 10))
    assert has_revoked(one)
    beats(one, range(402 + GRACE, 402 + GRACE + 256))
    assert (has_revoked(one), one.view.size) == (False, 0)


def test_a_clock_that_is_hours_ahead_for_a_while_revives_nothing() -> None:
    """What would have expired by it is needed again when it is put back."""
    one = synchronised(at=100.0)
    one.receive(told(revocation(6, token_id="jti-1"), revision=6, looked_at=NOW + 101), 101.0)
    beats(one, range(102, 500), server_is_ahead=3 * GRACE)
    with pytest.raises(BrokenStreamError):
        beats(one, range(500, 501))
    one.begin(501.0)
    beats(one, range(501, 502))
    assert has_revoked(one)


def test_a_new_snapshot_forgets_by_a_new_clock() -> None:
    """A server that was an hour behind does not have its entries kept for ever."""
    one = following()
    one.begin(100.0)
    one.receive(told(revision=5, looked_at=NOW - 10**6), 100.0)
    one.lost(refused=True)
    one.begin(101.0)
    one.receive(told(revocation(6, token_id="jti-1", expires_at=NOW), revision=6, looked_at=NOW + 101), 101.0)
    beats(one, range(102 + GRACE, 102 + GRACE + 256))
    assert one.view.size == 0


def test_not_all_come_back_at_once() -> None:
    """The wait is spread over its upper half."""
    assert Following(lambda: 0.0, PATIENCE).lost() == 0.5


def test_silence_is_the_end_of_a_stream() -> None:
    """Counted from the request, and from each message, of whatever kind."""
    one = following()
    one.begin(100.0)
    assert one.dead_at() == 105.0
    one.receive(part(), 103.0)
    assert one.dead_at() == 108.0


def test_changes_of_keys_are_counted() -> None:
    """Also those in the middle of something; and a snapshot, after which nobody knows what has changed."""
    one = synchronised()
    before = one.key_changes
    one.receive(told(revision=6, looked_at=NOW + 101, keys_changed=True), 101.0)
    message = part()
    message.keys_changed = True
    one.receive(message, 101.1)
    assert one.key_changes == before + 2
    one.lost(refused=True)
    one.begin(102.0)
    one.receive(told(revision=6, looked_at=NOW + 102), 102.0)
    assert one.key_changes == before + 3
