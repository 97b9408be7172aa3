"""Barriers: the cut-offs for a subject, a device or a client, in whichever order they arrive."""

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.samples import NOW
from tokensvc.domain.revocation import Barrier, EntryKind, LogEntry, barrier_keys, device_key


def entry(revision: int, issued_before: int | None = None) -> LogEntry:
    """A cut-off of the subject `ada`."""
    return LogEntry(EntryKind.SUBJECT, "ada", at=NOW, expires_at=NOW, issued_before=issued_before, revision=revision)


entries = st.builds(entry, st.integers(1, 50), st.none() | st.integers(0, 50))


def test_no_barrier_covers_nothing() -> None:
    """What no cut-off was raised for is not ended, not even at the beginning of time."""
    assert not Barrier().covers(started_at=0, started_revision=0)


def test_a_barrier_ends_what_began_at_a_lower_revision() -> None:
    """Without a moment a cut-off goes by the log: before it dead, behind it alive, whatever the clocks say."""
    barrier = Barrier().raised_by(entry(8))
    assert barrier.covers(started_at=NOW + 10**9, started_revision=7)
    assert not barrier.covers(started_at=0, started_revision=8)


def test_a_barrier_with_a_moment_ends_what_began_before_it() -> None:
    """With a moment it goes by the clock, and that moment itself is alive."""
    barrier = Barrier().raised_by(entry(8, issued_before=NOW))
    assert barrier.covers(started_at=NOW - 1, started_revision=99)
    assert not barrier.covers(started_at=NOW, started_revision=0)


@given(st.lists(entries, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_cut_offs_does_not_matter(found: list[LogEntry], random) -> None:
    """Of several cut-offs the later one wins, in any order of arrival."""
    shuffled = random.sample(found, len(found))
    assert _raised(found) == _raised(shuffled)


@given(st.lists(entries, max_size=6), st.integers(0, 51), st.integers(0, 51))
def test_a_barrier_covers_what_any_of_its_cut_offs_does(found: list[LogEntry], at: int, revision: int) -> None:
    """Cut-offs add up: one that is raised later takes nothing back."""
    assert _raised(found).covers(at, revision) == any(_raised([one]).covers(at, revision) for one in found)


def test_a_session_without_device_has_no_device_barrier() -> None:
    """A device barrier concerns only sessions that name a device."""
    assert list(barrier_keys("ada", "phone", "")) == [(EntryKind.SUBJECT, "ada"), (EntryKind.CLIENT, "phone")]


def test_a_session_on_a_device_has_three_barriers() -> None:
    """Its subject, its client, and the device of this subject."""
    assert (EntryKind.DEVICE, device_key("ada", "device-1")) in set(barrier_keys("ada", "phone", "device-1"))
    assert len(list(barrier_keys("ada", "phone", "device-1"))) == 3


# Everything that an identifier may contain; separators that a naive key would use among it.
identifiers = st.text(
    st.sampled_from("a:/|.-_ ,;\\\"'%") | st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=5
)


@given(identifiers, identifiers, st.integers(0, 10))
def test_two_devices_never_share_a_key(subject: str, device_id: str, cut: int) -> None:
    """No choice of characters lets one subject's device be mistaken for another's."""
    joined = subject + device_id
    other = (joined[:cut], joined[cut:])
    assert (device_key(subject, device_id) == device_key(*other)) == (other == (subject, device_id))


def _raised(found: list[LogEntry]) -> Barrier:
    barrier = Barrier()
    for one in found:
        barrier = barrier.raised_by(one)
    return barrier
