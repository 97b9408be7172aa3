"""Registering, disabling and listing clients: what is written, and that a refusal writes nothing."""

import base64
from dataclasses import replace

import pytest

from tests.fakes import FakeClock
from tests.harness import policy_of
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.revocation import EntryKind
from tokensvc.services.client_secrets import authenticate, hash_secret
from tokensvc.services.clients import OPERATOR

BFF = Client(
    "bff",
    name="The BFF",
    permissions=frozenset({Permission.ISSUE, Permission.REFRESH}),
    acts_for=frozenset({"phone", "*"}),
    audiences=frozenset({"api"}),
    policy=policy_of(),
)


async def test_a_confidential_client_gets_a_secret_to_call_with(
    use_cases: UseCases, store: RecordingStore, clock: FakeClock
) -> None:
    """The secret is answered once, and the client is recognised by it at once."""
    created, secret = await use_cases.clients.create(BFF, confidential=True, caller=OPERATOR)
    assert authenticate(await store.view(), "bff", secret, clock()) == created


async def test_a_secret_can_be_found_by_scanners_and_by_nobody_else(use_cases: UseCases) -> None:
    """A secret is a known prefix and 256 random bits, and no two are alike."""
    secrets = [
        (await use_cases.clients.create(replace(BFF, client_id=f"c{n}"), confidential=True, caller=OPERATOR))[1]
        for n in (1, 2)
    ]
    assert all(secret.startswith("tscs_") and len(secret) == 48 for secret in secrets)
    assert secrets[0] != secrets[1]


async def test_only_the_hash_of_a_secret_is_kept(use_cases: UseCases, store: RecordingStore) -> None:
    """The row has the hash; the secret itself is in nothing that is written."""
    _, secret = await use_cases.clients.create(BFF, confidential=True, caller=OPERATOR)
    (effects,) = store.written
    assert effects.client is not None
    assert effects.client.secret_hash == hash_secret(secret)
    assert secret not in str(effects)


async def test_a_public_client_gets_no_secret(use_cases: UseCases) -> None:
    """A public client has nothing to call with, and no empty secret either."""
    created, secret = await use_cases.clients.create(
        Client("phone", policy=policy_of()), confidential=False, caller=OPERATOR
    )
    assert (created.secret_hash, secret) == (None, "")


async def test_a_client_is_kept_as_it_was_described(use_cases: UseCases, clock: FakeClock) -> None:
    """Nothing of the description is lost; the service adds the secret's hash and the moment."""
    created, secret = await use_cases.clients.create(BFF, confidential=True, caller=OPERATOR)
    by_secret = {"auth_method": AuthMethod.SECRET, "secret_hash": hash_secret(secret)}
    expected = replace(BFF, **by_secret, created_at=clock(), updated_at=clock())
    assert created == await use_cases.clients.get("bff", caller=OPERATOR) == expected


async def test_what_a_policy_names_twice_is_given_once(use_cases: UseCases) -> None:
    """A policy's scopes and audiences are sets in an order: tokens that get all of them repeat none."""
    policy = policy_of(scopes=("write", "read", "write"), audiences=("api", "api"))
    created, _ = await use_cases.clients.create(Client("phone", policy=policy), confidential=False, caller=OPERATOR)
    assert (created.policy.scopes, created.policy.audiences) == (("write", "read"), ("api",))


async def test_a_new_client_is_told_to_all_nodes_and_audited(
    use_cases: UseCases, store: RecordingStore, clock: FakeClock
) -> None:
    """One transaction writes the row, a log entry that makes the nodes read it, and an audit event."""
    await use_cases.clients.create(BFF, confidential=True, caller=OPERATOR)
    (effects,) = store.written
    assert [(entry.kind, entry.key) for entry in effects.log] == [(EntryKind.CLIENT_CHANGED, "bff")]
    assert effects.audit == (AuditEvent("client.created", at=clock(), client_id="bff"),)


async def test_a_second_client_of_the_same_id_is_refused(use_cases: UseCases, store: RecordingStore) -> None:
    """Whoever comes second neither replaces the first client nor learns a secret."""
    created, _ = await use_cases.clients.create(BFF, confidential=True, caller=OPERATOR)
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.create(replace(BFF, name="Another"), confidential=True, caller=OPERATOR)
    assert (caught.value.reason, caught.value.field) == (Reason.CLIENT_EXISTS, "client_id")
    assert len(store.written) == 1
    assert await use_cases.clients.get("bff", caller=OPERATOR) == created


async def test_a_disabled_client_changes_in_nothing_else(use_cases: UseCases, clock: FakeClock) -> None:
    """Its row says that it is disabled, and since when; secret, permissions and policy stay."""
    created, _ = await use_cases.clients.create(BFF, confidential=True, caller=OPERATOR)
    clock.advance(seconds=5)
    await use_cases.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
    assert await use_cases.clients.get("bff", caller=OPERATOR) == replace(created, disabled=True, updated_at=clock())


async def test_disabling_raises_a_barrier_and_is_audited(use_cases: UseCases, store: RecordingStore) -> None:
    """One transaction marks the row and ends everything that was issued for the client."""
    await use_cases.clients.create(BFF, confidential=True, caller=OPERATOR)
    await use_cases.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
    effects = store.written[-1]
    assert [(entry.kind, entry.key, entry.issued_before) for entry in effects.log] == [(EntryKind.CLIENT, "bff", None)]
    assert [(event.type, event.client_id) for event in effects.audit] == [("client.disabled", "bff")]


async def test_enabling_raises_no_barrier_and_is_audited(use_cases: UseCases, store: RecordingStore) -> None:
    """What is issued from now on lives; the nodes are told."""
    await use_cases.clients.create(BFF, confidential=True, caller=OPERATOR)
    await use_cases.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
    await use_cases.clients.set_disabled("bff", disabled=False, caller=OPERATOR)
    effects = store.written[-1]
    assert [(entry.kind, entry.key) for entry in effects.log] == [(EntryKind.CLIENT_CHANGED, "bff")]
    assert [event.type for event in effects.audit] == ["client.enabled"]


async def test_an_enabled_client_calls_with_its_old_secret(
    use_cases: UseCases, store: RecordingStore, clock: FakeClock
) -> None:
    """Disabled it is not recognised; enabled again it is."""
    _, secret = await use_cases.clients.create(BFF, confidential=True, caller=OPERATOR)
    await use_cases.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
    with pytest.raises(RefusedError):
        authenticate(await store.view(), "bff", secret, clock())
    await use_cases.clients.set_disabled("bff", disabled=False, caller=OPERATOR)
    assert authenticate(await store.view(), "bff", secret, clock()).client_id == "bff"


@pytest.mark.parametrize("disabled", [True, False])
async def test_an_unknown_client_cannot_be_switched(use_cases: UseCases, store: RecordingStore, disabled: bool) -> None:
    """There is nothing to write for a client that is not there."""
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.set_disabled("nobody", disabled=disabled, caller=OPERATOR)
    assert (caught.value.reason, caught.value.field) == (Reason.CLIENT_NOT_FOUND, "client_id")
    assert store.written == []


async def test_an_unknown_client_is_not_found(use_cases: UseCases) -> None:
    """To ask for a client that is not there is refused, not answered with nothing."""
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.get("nobody", caller=OPERATOR)
    assert caught.value.reason is Reason.CLIENT_NOT_FOUND


async def names_on(use_cases: UseCases, size: int) -> list[list[str]]:
    """The ids on all pages of that size."""
    pages, page_token = [], ""
    while True:
        page, page_token = await use_cases.clients.list_clients(size, page_token, caller=OPERATOR)
        pages.append([client.client_id for client in page])
        if not page_token:
            return pages


async def test_clients_are_listed_in_order(use_cases: UseCases) -> None:
    """The list is by id, whoever came first."""
    for client_id in ("web", "bff", "phone"):
        await use_cases.register(client_id)
    assert await names_on(use_cases, 0) == [["bff", "phone", "web"]]


async def test_a_page_without_a_size_has_a_hundred_clients(use_cases: UseCases) -> None:
    """What is more comes on the next one."""
    for place in range(101):
        await use_cases.register(f"client-{place:03}")
    assert [len(page) for page in await names_on(use_cases, 0)] == [100, 1]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
async def test_pages_show_every_client_once(use_cases: UseCases, size: int) -> None:
    """Page by page all are seen in order, and no page but an only one is empty."""
    assert await names_on(use_cases, size) == [[]]
    for client_id in ("web", "bff", "phone"):
        await use_cases.register(client_id)
    names = ["bff", "phone", "web"]
    assert await names_on(use_cases, size) == [names[start : start + size] for start in range(0, 3, size)]


async def test_a_client_that_goes_between_two_pages_does_not_shift_them(use_cases: UseCases) -> None:
    """The place is the last id that was shown: it may be gone, what follows is the same."""
    for client_id in ("a", "b", "c"):
        await use_cases.register(client_id)
    _, page_token = await use_cases.clients.list_clients(2, caller=OPERATOR)
    await use_cases.clients.delete("b", caller=OPERATOR)
    page, end = await use_cases.clients.list_clients(2, page_token, caller=OPERATOR)
    assert ([client.client_id for client in page], end) == (["c"], "")


FORGED = ("nonsense", "é", "YQ", "YQ==\n", " YQ==", "YR==", base64.urlsafe_b64encode(b"a b").decode(), "====", "Kg==")


@pytest.mark.parametrize(
    ("size", "page_token", "field"),
    [(-1, "", "page_size"), (1001, "", "page_size"), *((1, forged, "page_token") for forged in FORGED)],
)
async def test_a_bad_page_is_refused(use_cases: UseCases, size: int, page_token: str, field: str) -> None:
    """A size out of bounds, and a token that is none of ours in every bit."""
    with pytest.raises(RefusedError) as caught:
        await use_cases.clients.list_clients(size, page_token, caller=OPERATOR)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_REQUEST, field)
