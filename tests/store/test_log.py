"""The revisions of the log, on every kind of store."""

import asyncio

from tests.store.samples import a_session, an_access_token, an_entry, sid, writing
from tokensvc.domain.effects import Effects
from tokensvc.domain.revocation import EntryKind
from tokensvc.ports import Committed, Rows, Store, Unit


async def test_concurrent_revocations_get_gapless_revisions_in_commit_order(store: Store) -> None:
    """200 revocations at once get the revisions 1 to 200 in the order in which they came."""
    units = [writing(log=(an_entry(key=f"subject-{place}"),)) for place in range(200)]
    committed = await asyncio.gather(*map(store.commit, units))
    assert [each.revision for each in committed] == list(range(1, 201))
    assert (await store.view()).revision == 200


async def test_each_unit_of_a_batch_gets_the_revision_of_its_own_last_entry(store: Store) -> None:
    """Units with none, one and two entries in one batch are answered 0, 1, 0 and 3."""
    one, two = (an_entry(),), (an_entry(), an_entry(EntryKind.SESSION, sid()))
    units = [writing("a"), writing("b", log=one), writing("c"), writing("d", log=two)]
    committed = await asyncio.gather(*map(store.commit, units))
    assert committed == [Committed("a", 0), Committed("b", 1), Committed("c", 0), Committed("d", 3)]


async def test_a_failed_unit_takes_no_revision(store: Store) -> None:
    """The log has no gap where a unit has failed."""

    def broken(_rows: Rows) -> Effects[None]:
        raise ValueError

    units = [writing(log=(an_entry(),)), Unit(broken), writing(log=(an_entry(),))]
    first, _, last = await asyncio.gather(*map(store.commit, units), return_exceptions=True)
    assert (first, last) == (Committed(None, 1), Committed(None, 2))


async def test_what_the_log_ends_is_revoked_in_the_view(store: Store) -> None:
    """Entries for a token, a session, a subject, a device and a client each end what they name and nothing else."""
    ends = {
        "token": (EntryKind.TOKEN, f"token of {sid('token')}"),
        "session": (EntryKind.SESSION, sid()),
        "subject": (EntryKind.SUBJECT, "bob"),
        "device": (EntryKind.DEVICE, "carol\x1fdevice"),
        "client": (EntryKind.CLIENT, "tablet"),
    }
    sessions = [
        a_session("token", subject="dan"),
        a_session(subject="eve"),
        a_session("subject", subject="bob"),
        a_session("device", subject="carol"),
        a_session("client", client_id="tablet"),
    ]
    for name, (kind, key) in ends.items():
        await store.commit(writing(log=(an_entry(kind, key),)))
        view = await store.view()
        revoked = {each.grant.session_id for each in sessions if view.has_revoked(an_access_token(each))}
        assert sid(name) in revoked
        assert len(revoked) == list(ends).index(name) + 1
