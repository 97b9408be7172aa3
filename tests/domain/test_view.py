"""The picture of the log that introspection answers from: what it ends, and for how long it remembers."""

from dataclasses import replace

import pytest

from tests.domain.samples import NOW
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Client
from tokensvc.domain.delegation import Actor, Delegation, Origin
from tokensvc.domain.policy import HOUR, MAX_ACCESS_TTL
from tokensvc.domain.revocation import EntryKind, LogEntry, device_key
from tokensvc.domain.view import GRACE, View

TOKEN = AccessToken(
    issuer="https://issuer.test",
    subject="ada",
    client_id="phone",
    audiences=("api",),
    scopes=("read",),
    issued_at=NOW,
    expires_at=NOW + HOUR,
    token_id="jti-1",
    started_at=NOW - HOUR,
    started_revision=5,
    session_id="session-1",
    device_id="device-1",
)
ENDS = {
    "token": (EntryKind.TOKEN, "jti-1"),
    "session": (EntryKind.SESSION, "session-1"),
    "subject": (EntryKind.SUBJECT, "ada"),
    "client": (EntryKind.CLIENT, "phone"),
    "device": (EntryKind.DEVICE, device_key("ada", "device-1")),
}


def entry(kind: EntryKind, key: str, revision: int = 6, **fields: int | None) -> LogEntry:
    """A line of the log, written now and needed for an hour."""
    return LogEntry(kind, key, **{"at": NOW, "expires_at": NOW + HOUR, "revision": revision, **fields})


def view_of(*entries: LogEntry) -> View:
    """The view after `entries`."""
    view = View()
    for one in entries:
        view.apply(one)
    return view


def test_an_empty_log_ends_nothing() -> None:
    """A token is alive until something says otherwise."""
    assert not View().has_revoked(TOKEN)


@pytest.mark.parametrize("ends", ENDS)
def test_each_kind_of_entry_ends_the_token(ends: str) -> None:
    """An entry ends the token through its id, its session, its subject, its client or its device."""
    assert view_of(entry(*ENDS[ends])).has_revoked(TOKEN)


@pytest.mark.parametrize("ends", ENDS)
def test_what_concerns_another_leaves_the_token_alone(ends: str) -> None:
    """An entry ends exactly what its key names."""
    kind, key = ENDS[ends]
    view = view_of(*(entry(kind, other) for other in (key + "x", key[:-1], key.upper(), "", f" {key}")))
    assert not view.has_revoked(TOKEN)


@pytest.mark.parametrize("ends", ENDS)
def test_a_key_of_another_kind_is_another_key(ends: str) -> None:
    """The same text as a name of something else ends nothing."""
    kind, key = ENDS[ends]
    assert not view_of(*(entry(other, key) for other in EntryKind if other is not kind)).has_revoked(TOKEN)


def test_a_device_barrier_spares_other_devices_and_subjects() -> None:
    """Losing one phone ends neither the same subject's other devices, nor a device of that name elsewhere."""
    view = view_of(entry(*ENDS["device"]))
    assert not view.has_revoked(replace(TOKEN, device_id="device-2"))
    assert not view.has_revoked(replace(TOKEN, device_id=""))
    assert not view.has_revoked(replace(TOKEN, subject="eve"))


@pytest.mark.parametrize("separator", ["", ":", "/", "|", " ", "%1f", "\\x1f"])
def test_a_device_key_cannot_be_put_together_from_other_names(separator: str) -> None:
    """A subject and device whose names run into each other are not taken for the revoked one."""
    view = view_of(entry(EntryKind.DEVICE, device_key("ada", f"x{separator}y")))
    assert not view.has_revoked(replace(TOKEN, subject=f"ada{separator}x", device_id="y"))
    assert not view.has_revoked(replace(TOKEN, subject=f"ada{separator}x{separator}y", device_id=""))


def test_a_token_without_session_is_not_ended_with_one() -> None:
    """An access token alone has no session that could be ended."""
    assert not view_of(entry(*ENDS["session"])).has_revoked(replace(TOKEN, session_id=""))


def test_a_later_session_is_behind_the_barrier() -> None:
    """Who logs in after a revocation is not met by it, even in the same millisecond."""
    view = view_of(entry(*ENDS["subject"], revision=6))
    assert not view.has_revoked(replace(TOKEN, started_revision=6, started_at=NOW))


@pytest.mark.parametrize("cut_offs", [(NOW - 10, NOW - 10 - HOUR), (NOW - 10 - HOUR, NOW - 10)])
def test_of_two_cut_offs_the_later_one_wins(cut_offs: tuple[int, int]) -> None:
    """An earlier cut-off that arrives later does not take the later one back."""
    first, second = cut_offs
    view = view_of(
        entry(*ENDS["subject"], revision=6, issued_before=first),
        entry(*ENDS["subject"], revision=7, issued_before=second),
    )
    assert view.has_revoked(replace(TOKEN, started_at=NOW - 11))
    assert not view.has_revoked(replace(TOKEN, started_at=NOW - 10))


@pytest.mark.parametrize("moment_first", [True, False])
def test_a_moment_and_a_revision_hold_side_by_side(moment_first: bool) -> None:
    """A cut-off by moment and one by revision each end what they end, in either order."""
    by_moment = {"issued_before": NOW}
    orders = [by_moment, {}] if moment_first else [{}, by_moment]
    view = view_of(*(entry(*ENDS["subject"], revision=6 + place, **order) for place, order in enumerate(orders)))
    by_revision = 7 if moment_first else 6
    assert view.has_revoked(replace(TOKEN, started_at=NOW, started_revision=by_revision - 1))
    assert view.has_revoked(replace(TOKEN, started_at=NOW - 1, started_revision=99))
    assert not view.has_revoked(replace(TOKEN, started_at=NOW, started_revision=by_revision))


def test_the_revision_is_that_of_the_last_entry() -> None:
    """Every entry moves the revision, also one that ends nothing."""
    view = view_of(entry(*ENDS["token"], revision=6), entry(EntryKind.CLIENT_CHANGED, "phone", revision=7))
    assert (view.revision, view.size) == (7, 1)


@pytest.mark.parametrize("ends", ENDS)
def test_an_entry_is_remembered_past_its_time(ends: str) -> None:
    """A clock that is set back by up to the grace finds every entry that its tokens need."""
    view = view_of(entry(*ENDS[ends]))
    view.forget(NOW + HOUR + GRACE)
    assert view.has_revoked(TOKEN)


@pytest.mark.parametrize("ends", ENDS)
def test_an_entry_is_forgotten_in_the_end(ends: str) -> None:
    """The view does not grow for ever."""
    view = view_of(entry(*ENDS[ends]))
    view.forget(NOW + HOUR + GRACE + 1)
    assert view.size == 0
    assert not view.has_revoked(TOKEN)


@pytest.mark.parametrize("lifetimes", [(HOUR, MAX_ACCESS_TTL), (MAX_ACCESS_TTL, HOUR)])
def test_a_barrier_lives_as_long_as_its_longest_entry(lifetimes: tuple[int, int]) -> None:
    """Raised twice, a barrier is forgotten only when both entries have had their time."""
    view = view_of(
        *(entry(*ENDS["subject"], revision=6 + n, expires_at=NOW + span) for n, span in enumerate(lifetimes))
    )
    view.forget(NOW + HOUR + GRACE + 1)
    assert view.has_revoked(TOKEN)
    view.forget(NOW + MAX_ACCESS_TTL + GRACE + 1)
    assert view.size == 0


def test_forgetting_one_entry_keeps_the_others() -> None:
    """What expires later stays, whatever expired before it."""
    view = view_of(
        entry(EntryKind.SESSION, "another", expires_at=NOW),
        entry(EntryKind.TOKEN, "jti-0", expires_at=NOW + 1),
        entry(*ENDS["session"], revision=7, expires_at=NOW + HOUR),
    )
    view.forget(NOW + GRACE + 2)
    assert view.size == 1
    assert view.has_revoked(TOKEN)


def test_a_barrier_can_be_raised_again_after_it_was_forgotten() -> None:
    """A forgotten barrier leaves nothing behind that a new one could stumble over."""
    view = view_of(entry(*ENDS["subject"], expires_at=NOW))
    view.forget(NOW + GRACE + 1)
    view.apply(entry(*ENDS["subject"], revision=7, expires_at=NOW + 2 * GRACE))
    view.forget(NOW + 2 * GRACE)
    assert view.has_revoked(TOKEN)


@pytest.mark.parametrize("ends", ["subject", "client", "device"])
def test_what_begins_behind_a_cut_off_begins_at_it(ends: str) -> None:
    """Where the clock is behind the moment of a barrier that was seen, a login is not taken for an older one."""
    view = view_of(entry(*ENDS[ends], issued_before=NOW))
    for clock in (NOW - HOUR, NOW - 1, NOW, NOW + 1):
        began = view.beginning("ada", "phone", "device-1", clock)
        assert began == max(clock, NOW)
        assert not view.has_revoked(replace(TOKEN, started_at=began, started_revision=view.revision))


@pytest.mark.parametrize("ends", ["subject", "client", "device"])
def test_a_cut_off_of_others_delays_nothing(ends: str) -> None:
    """What no barrier concerns begins when the clock says, and so does what only a barrier without a moment does."""
    view = view_of(entry(*ENDS[ends], issued_before=NOW))
    assert view.beginning("eve", "web", "device-1", NOW - HOUR) == NOW - HOUR
    assert view_of(entry(*ENDS[ends])).beginning("ada", "phone", "device-1", NOW - HOUR) == NOW - HOUR


def test_a_mark_is_remembered_past_its_end() -> None:
    """A clock that is set back by up to the grace finds it; afterwards nothing of it is left."""
    view = view_of(entry(EntryKind.SUBJECT_FLAGGED, "ada", issued_before=NOW + HOUR))
    view.forget(NOW + HOUR + GRACE)
    assert view.flags == {"ada": NOW + HOUR}
    view.forget(NOW + HOUR + GRACE + 1)
    assert (view.flags, view.flag_expiries) == ({}, {})


def test_a_shorter_mark_is_remembered_as_long_as_the_one_before() -> None:
    """Whoever forgot it, and read the log once more, would find the longer one alone."""
    view = view_of(
        entry(EntryKind.SUBJECT_FLAGGED, "ada", expires_at=NOW + 9 * HOUR, issued_before=NOW + 9 * HOUR),
        entry(EntryKind.SUBJECT_FLAGGED, "ada", revision=7, expires_at=NOW + 9 * HOUR, issued_before=NOW + HOUR),
    )
    view.forget(NOW + HOUR + GRACE + 1)
    assert view.flags == {"ada": NOW + HOUR}
    assert view.flag_expiries == {"ada": NOW + 9 * HOUR}


TRADED = replace(
    TOKEN,
    token_id="jti-2",
    client_id="orders",
    delegation=Delegation(
        (Actor("bot", "bots"),),
        (
            Origin("jti-1", "phone", NOW - HOUR, 5, "ada", "session-1", "device-1"),
            Origin("jti-bot", "bots", NOW - HOUR, 5, "bot", "session-bot"),
            Origin("jti-2", "orders", NOW, 8),
        ),
    ),
)
COMPANY = {name: Client(name) for name in ("phone", "bots", "orders")}


def company_view_of(*entries: LogEntry) -> View:
    """The view after `entries`, where the clients of the traded token are registered."""
    view = view_of(*entries)
    view.clients = COMPANY
    return view


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        *ENDS.values(),
        (EntryKind.TOKEN, "jti-2"),
        (EntryKind.TOKEN, "jti-bot"),
        (EntryKind.SESSION, "session-bot"),
        (EntryKind.SUBJECT, "bot"),
        (EntryKind.CLIENT, "bots"),
        (EntryKind.CLIENT, "orders"),
    ],
)
def test_what_ends_an_origin_ends_the_traded_token(kind: EntryKind, key: str) -> None:
    """Through any name that the log may have for it; entries about others do not."""
    assert company_view_of(entry(kind, key, 9)).has_revoked(TRADED)
    assert not company_view_of(entry(kind, f"{key}-other", 9)).has_revoked(TRADED)


@pytest.mark.parametrize(("name", "ends"), [("phone", True), ("bots", True), ("orders", False)])
def test_each_origin_has_a_beginning_of_its_own(name: str, *, ends: bool) -> None:
    """A barrier between the login and the exchange ends what began before it: not the client that came later."""
    assert company_view_of(entry(EntryKind.CLIENT, name, 7)).has_revoked(TRADED) is ends


@pytest.mark.parametrize("name", COMPANY)
def test_a_traded_token_needs_all_its_clients(name: str) -> None:
    """One that is disabled or gone ends it, also where no entry says so any more."""
    for clients in (
        COMPANY | {name: Client(name, disabled=True)},
        {key: COMPANY[key] for key in COMPANY if key != name},
    ):
        view = View()
        view.clients = clients
        assert view.has_revoked(TRADED)
