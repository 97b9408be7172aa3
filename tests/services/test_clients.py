"""Registering and disabling clients: what is written, and that a refusal writes nothing."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.harness import policy_of
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import MAX_ACCESS_TTL, MAX_REFRESH_TTL, MAX_RETRY_WINDOW, SECOND
from tokensvc.domain.revocation import EntryKind
from tokensvc.services.clients import authenticate, hash_secret

BFF = Client(
    "bff",
    name="The BFF",
    permissions=frozenset({Permission.ISSUE, Permission.REFRESH}),
    acts_for=frozenset({"phone", "*"}),
    audiences=frozenset({"api"}),
    policy=policy_of(),
)


async def test_a_confidential_client_gets_a_secret_to_call_with(use_cases: UseCases, store: RecordingStore) -> None:
    """The secret is answered once, and the client is recognised by it at once."""
    created, secret = await use_cases.clients.create(BFF, confidential=True)
    assert authenticate(await store.view(), "bff", secret) == created


async def test_a_secret_can_be_found_by_scanners_and_by_nobody_else(use_cases: UseCases) -> None:
    """A secret is a known prefix and 256 random bits, and no two are alike."""
    secrets = [(await use_cases.clients.create(replace(BFF, client_id=f"c{n}"), confidential=True))[1] for n in (1, 2)]
    assert all(secret.startswith("tscs_") and len(secret) == 48 for secret in secrets)
    assert secrets[0] != secrets[1]


async def test_only_the_hash_of_a_secret_is_kept(use_cases: UseCases, store: RecordingStore) -> None:
    """The row has the hash; the secret itself is in nothing that is written."""
    _, secret = await use_cases.clients.create(BFF, confidential=True)
    (effects,) = store.written
    assert effects.client is not None
    assert effects.client.secret_hash == hash_secret(secret)
    assert secret not in str(effects)


async def test_a_public_client_gets_no_secret(use_cases: UseCases) -> None:
    """A public client has nothing to call with, and no empty secret either."""
    created, secret = await use_cases.clients.create(Client("phone", policy=policy_of()), confidential=False)
    assert (created.secret_hash, secret) == (None, "")


async def test_a_client_is_kept_as_it_was_described(use_cases: UseCases, clock: FakeClock) -> None:
    """Nothing of the description is lost; the service adds the secret's hash and the moment."""
    created, secret = await use_cases.clients.create(BFF, confidential=True)
    expected = replace(BFF, secret_hash=hash_secret(secret), created_at=clock(), updated_at=clock())
    assert created == await use_cases.clients.get("bff") == expected


async def test_what_a_policy_names_twice_is_given_once(use_cases: UseCases) -> None:
    """A policy's scopes and audiences are sets in an order: tokens that get all of them repeat none."""
    policy = policy_of(scopes=("write", "read", "write"), audiences=("api", "api"))
    created, _ = await use_cases.clients.create(Client("phone", policy=policy), confidential=False)
    assert (created.policy.scopes, created.policy.audiences) == (("write", "read"), ("api",))


async def test_a_new_client_is_told_to_all_nodes_and_audited(
    use_cases: UseCases, store: RecordingStore, clock: FakeClock
) -> None:
    """One transaction writes the row, a log entry that makes the nodes read it, and an audit event."""
    await use_cases.clients.create(BFF, confidential=True)
    (effects,) = store.written
    assert [(entry.kind, entry.key) for entry in effects.log] == [(EntryKind.CLIENT_CHANGED, "bff")]
    assert effects.audit == (AuditEvent("client.created", at=clock(), client_id="bff"),)


async def test_a_second_client_of_the_same_id_is_refused(use_cases: UseCases, store: RecordingStore) -> None:
    """Whoever comes second neither replaces the first client nor learns a secret."""
    created, _ = await use_cases.clients.create(BFF, confidential=True)
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.create(replace(BFF, name="Another"), confidential=True)
    assert (caught.value.reason, caught.value.field) == (Reason.CLIENT_EXISTS, "client_id")
    assert len(store.written) == 1
    assert await use_cases.clients.get("bff") == created


def with_policy(**changes: Any) -> dict[str, Any]:
    """A changed token policy."""
    return {"policy": policy_of(**changes)}


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("client_id", {"client_id": ""}),
    ("client_id", {"client_id": "a b"}),
    ("client_id", {"client_id": "*"}),
    ("client_id", {"client_id": "x" * 256}),
    ("name", {"name": "two\nlines"}),
    ("name", {"name": "x" * 256}),
    ("acts_for", {"acts_for": frozenset({"phone", "a b"})}),
    ("acts_for", {"acts_for": frozenset({""})}),
    ("acts_for", {"acts_for": frozenset({"**"})}),
    ("audiences", {"audiences": frozenset({"a b"})}),
    ("audiences", {"audiences": frozenset({""})}),
    ("token_policy.scopes", with_policy(scopes=("read", 'wr"ite'))),
    ("token_policy.scopes", with_policy(scopes=("read write",))),
    ("token_policy.audiences", with_policy(audiences=("",))),
    ("token_policy.access_ttl", with_policy(access_ttl=SECOND - 1)),
    ("token_policy.access_ttl", with_policy(access_ttl=MAX_ACCESS_TTL + 1)),
    ("token_policy.refresh_idle_ttl", with_policy(refresh_idle_ttl=0)),
    ("token_policy.refresh_idle_ttl", with_policy(refresh_idle_ttl=MAX_REFRESH_TTL + 1)),
    ("token_policy.refresh_absolute_ttl", with_policy(refresh_absolute_ttl=-1)),
    ("token_policy.refresh_absolute_ttl", with_policy(refresh_absolute_ttl=MAX_REFRESH_TTL + 1)),
    ("token_policy.retry_window", with_policy(retry_window=-1)),
    ("token_policy.retry_window", with_policy(retry_window=MAX_RETRY_WINDOW + 1)),
]


@pytest.mark.parametrize(("field", "changes"), REFUSED)
async def test_a_value_out_of_bounds_is_refused_by_name(
    use_cases: UseCases, store: RecordingStore, field: str, changes: dict[str, Any]
) -> None:
    """The refusal names the field, and no transaction is begun."""
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.create(replace(BFF, **changes), confidential=True)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_REQUEST, field)
    assert store.commits == 0


async def test_a_public_client_has_no_permissions(use_cases: UseCases, store: RecordingStore) -> None:
    """What cannot call is not given the right to."""
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.create(BFF, confidential=False)
    assert caught.value.field == "permissions"
    assert store.commits == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"access_ttl": SECOND, "refresh_idle_ttl": SECOND, "refresh_absolute_ttl": SECOND, "retry_window": 0},
        {
            "access_ttl": MAX_ACCESS_TTL,
            "refresh_idle_ttl": MAX_REFRESH_TTL,
            "refresh_absolute_ttl": MAX_REFRESH_TTL,
            "retry_window": MAX_RETRY_WINDOW,
        },
    ],
    ids=["least", "most"],
)
async def test_the_bounds_themselves_are_allowed(use_cases: UseCases, changes: dict[str, int]) -> None:
    """A policy may go as low and as high as the limits."""
    created, _ = await use_cases.clients.create(replace(BFF, policy=policy_of(**changes)), confidential=True)
    assert created.policy == policy_of(**changes)


async def test_a_disabled_client_changes_in_nothing_else(use_cases: UseCases, clock: FakeClock) -> None:
    """Its row says that it is disabled, and since when; secret, permissions and policy stay."""
    created, _ = await use_cases.clients.create(BFF, confidential=True)
    clock.advance(seconds=5)
    await use_cases.clients.set_disabled("bff", disabled=True)
    assert await use_cases.clients.get("bff") == replace(created, disabled=True, updated_at=clock())


async def test_disabling_raises_a_barrier_and_is_audited(use_cases: UseCases, store: RecordingStore) -> None:
    """One transaction marks the row and ends everything that was issued for the client."""
    await use_cases.clients.create(BFF, confidential=True)
    await use_cases.clients.set_disabled("bff", disabled=True)
    effects = store.written[-1]
    assert [(entry.kind, entry.key, entry.issued_before) for entry in effects.log] == [(EntryKind.CLIENT, "bff", None)]
    assert [(event.type, event.client_id) for event in effects.audit] == [("client.disabled", "bff")]


async def test_enabling_raises_no_barrier_and_is_audited(use_cases: UseCases, store: RecordingStore) -> None:
    """What is issued from now on lives; the nodes are told."""
    await use_cases.clients.create(BFF, confidential=True)
    await use_cases.clients.set_disabled("bff", disabled=True)
    await use_cases.clients.set_disabled("bff", disabled=False)
    effects = store.written[-1]
    assert [(entry.kind, entry.key) for entry in effects.log] == [(EntryKind.CLIENT_CHANGED, "bff")]
    assert [event.type for event in effects.audit] == ["client.enabled"]


async def test_an_enabled_client_calls_with_its_old_secret(use_cases: UseCases, store: RecordingStore) -> None:
    """Disabled it is not recognised; enabled again it is."""
    _, secret = await use_cases.clients.create(BFF, confidential=True)
    await use_cases.clients.set_disabled("bff", disabled=True)
    with pytest.raises(RefusedError):
        authenticate(await store.view(), "bff", secret)
    await use_cases.clients.set_disabled("bff", disabled=False)
    assert authenticate(await store.view(), "bff", secret).client_id == "bff"


@pytest.mark.parametrize("disabled", [True, False])
async def test_an_unknown_client_cannot_be_switched(use_cases: UseCases, store: RecordingStore, disabled: bool) -> None:
    """There is nothing to write for a client that is not there."""
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.set_disabled("nobody", disabled=disabled)
    assert (caught.value.reason, caught.value.field) == (Reason.CLIENT_NOT_FOUND, "client_id")
    assert store.written == []


async def test_an_unknown_client_is_not_found(use_cases: UseCases) -> None:
    """To ask for a client that is not there is refused, not answered with nothing."""
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.get("nobody")
    assert caught.value.reason is Reason.CLIENT_NOT_FOUND


async def test_clients_are_listed_in_order(use_cases: UseCases) -> None:
    """The list is by id, whoever came first."""
    for client_id in ("web", "bff", "phone"):
        await use_cases.register(client_id)
    assert [client.client_id for client in await use_cases.clients.list_clients()] == ["bff", "phone", "web"]
