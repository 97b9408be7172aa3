"""The view of the log and of the clients, on every kind of store."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.store.samples import NOW, a_session, an_access_token, an_entry, writing
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.client_authentication import AuthMethod, ClientKeys
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import (
    MINUTE,
    BindingAction,
    BindingPolicy,
    RefreshTokenFormat,
    Rotation,
    SenderConstraint,
    SessionLimitAction,
    TokenPolicy,
)
from tokensvc.domain.revocation import EntryKind
from tokensvc.ports import Rows, Store, Unit

# No field has its default: whatever is lost on the way shows.
CLIENT = Client(
    "bff",
    name="Büro & Co",
    disabled=True,
    secret_hash=bytes(range(32)),
    previous_secret_hash=bytes(range(1, 33)),
    previous_expires_at=NOW + 2,
    permissions=frozenset({Permission.REFRESH, Permission.REVOKE}),
    acts_for=frozenset({"phone", "tablet"}),
    audiences=frozenset({"api", "billing"}),
    policy=TokenPolicy(
        access_ttl=MINUTE,
        refresh_idle_ttl=2 * MINUTE,
        refresh_absolute_ttl=3 * MINUTE,
        retry_window=4000,
        scopes=("read", "write"),
        audiences=("api",),
        rotation=Rotation.PERIODIC,
        rotation_interval=5000,
        refresh_token_format=RefreshTokenFormat.JWT,
        max_sessions=6,
        session_limit_action=SessionLimitAction.REFUSE,
        binding=BindingPolicy(
            device=BindingAction.REJECT,
            ip=BindingAction.AUDIT,
            user_agent=BindingAction.END_SESSION,
            credential_version=BindingAction.IGNORE,
            ipv4_prefix_length=16,
            ipv6_prefix_length=64,
        ),
        sender_constraint=SenderConstraint.DPOP,
    ),
    created_at=NOW,
    updated_at=NOW + 1,
    auth_method=AuthMethod.SECRET,
)
PUBLIC = replace(CLIENT, auth_method=None, secret_hash=None)
CHANGED = an_entry(EntryKind.CLIENT_CHANGED, "bff")


async def test_an_empty_store_has_an_empty_view(store: Store) -> None:
    """Nothing is revoked and nobody registered at revision zero."""
    view = await store.view()
    assert (view.revision, view.clients) == (0, {})
    assert not view.has_revoked(an_access_token(a_session()))


async def test_a_view_is_not_older_than_the_call(store: Store) -> None:
    """Each of a hundred revocations, one after the other, is in the view that is asked for next."""
    for place in range(100):
        session = a_session(f"session-{place}")
        assert not (await store.view()).has_revoked(an_access_token(session))
        await store.commit(writing(log=(an_entry(EntryKind.SESSION, session.grant.session_id),)))
        view = await store.view()
        assert view.revision == place + 1
        assert view.has_revoked(an_access_token(session))


async def test_a_registered_client_is_in_the_view(store: Store) -> None:
    """Every field of a new client is there as it was registered."""
    await store.view()
    await store.commit(writing(client=CLIENT, log=(CHANGED,)))
    assert (await store.view()).clients == {"bff": CLIENT}


@pytest.mark.parametrize(
    "keys",
    [
        {"auth_method": AuthMethod.PRIVATE_KEY_JWT, "keys": ClientKeys('{"keys": []}', ("ES256", "EdDSA"))},
        {"auth_method": AuthMethod.TLS, "keys": ClientKeys(tls_spiffe_id="spiffe://a/b")},
        {"auth_method": AuthMethod.TLS, "keys": ClientKeys(tls_dns_name="bff.test", tls_sha256="ab")},
        {"auth_method": AuthMethod.SECRET},
    ],
    ids=str,
)
async def test_a_client_without_a_secret_is_read_back(store: Store, keys: dict[str, Any]) -> None:
    """Every field of what it authenticates by; one that waits for its secret too."""
    client = replace(PUBLIC, previous_secret_hash=None, previous_expires_at=0, **keys)
    await store.commit(writing(client=client, log=(CHANGED,)))
    assert (await store.view()).clients == {"bff": client}


async def test_a_changed_client_is_current_in_the_view(store: Store) -> None:
    """After a change the view has the client as it is now, and the others as they were."""
    other = replace(PUBLIC, client_id="other", disabled=False)
    await store.commit(writing(client=CLIENT, log=(CHANGED,)))
    await store.commit(writing(client=other, log=(an_entry(EntryKind.CLIENT_CHANGED, "other"),)))
    await store.view()
    changed = replace(PUBLIC, name="", disabled=False, permissions=frozenset(), updated_at=NOW + 2)
    await store.commit(writing(client=changed, log=(CHANGED,)))
    assert (await store.view()).clients == {"bff": changed, "other": other}


async def test_a_client_that_is_ended_is_current_in_the_view(store: Store) -> None:
    """The barrier of a client brings the client's row along: disabling takes one entry."""
    await store.commit(writing(client=replace(CLIENT, disabled=False), log=(CHANGED,)))
    await store.view()
    await store.commit(writing(client=CLIENT, log=(an_entry(EntryKind.CLIENT, "bff"),)))
    assert (await store.view()).clients["bff"].disabled


async def test_a_unit_sees_the_client_that_the_unit_before_it_wrote(store: Store) -> None:
    """Of two registrations of one client in a batch the second finds the first."""

    def decide(rows: Rows) -> Effects[bool]:
        found = rows.client("bff") is not None
        return Effects(found, client=None if found else CLIENT)

    committed = await asyncio.gather(*(store.commit(Unit(decide, client_id="bff")) for _ in range(2)))
    assert [each.outcome for each in committed] == [False, True]
    assert (await store.commit(Unit(decide, client_id="bff"))).outcome


async def test_a_revision_that_is_not_reached_is_refused(store: Store) -> None:
    """Who demands a revision beyond the log's end is told that the store cannot serve it."""
    await store.commit(writing(log=(an_entry(),)))
    with pytest.raises(RefusedError) as refused:
        await store.view(min_revision=2)
    assert refused.value.reason is Reason.STORE_UNAVAILABLE


async def test_a_revision_that_is_reached_is_served(store: Store) -> None:
    """The revision that a revocation was answered with can be demanded at once, however stale the view may be."""
    await store.view()
    revision = (await store.commit(writing(log=(an_entry(),)))).revision
    view = await store.view(min_revision=revision, max_staleness=60_000)
    assert view.revision == revision
