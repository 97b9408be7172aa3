"""Changing, deleting and re-keying clients: what is written and audited, by whom, and that a refusal writes nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.harness import policy_of
from tests.services.recording_store import RecordingStore
from tests.services.use_cases import UseCases
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.effects import AuditEvent, Effects
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import DAY, HOUR, MINUTE, Rotation, SenderConstraint
from tokensvc.domain.revocation import EntryKind
from tokensvc.ports import Unit
from tokensvc.services.client_secrets import authenticate, hash_secret
from tokensvc.services.clients import OPERATOR, Clients

ADMIN = Client("root", permissions=frozenset({Permission.ADMIN}))
STRANGER = Client("stranger", permissions=frozenset(Permission) - {Permission.ADMIN}, acts_for=frozenset({"*"}))


@pytest.fixture
async def bff(use_cases: UseCases, clock: FakeClock) -> Client:
    """A confidential client, a moment ago."""
    client = Client("bff", name="The BFF", acts_for=frozenset({"phone"}), policy=policy_of())
    created, _ = await use_cases.clients.create(client, confidential=True, caller=OPERATOR)
    clock.advance(seconds=5)
    return created


async def refusal(call: Awaitable[Any]) -> RefusedError:
    """Answer how a call is refused."""
    with pytest.raises(RefusedError) as caught:
        await call
    return caught.value


async def test_an_update_changes_what_it_names(use_cases: UseCases, bff: Client, clock: FakeClock) -> None:
    """Fields and parts of the policy have their new values, all others stay, the secret too."""
    values = {"name": "Ours", "token_policy.access_ttl": MINUTE, "token_policy.scopes": ("read", "read")}
    updated = await use_cases.clients.update("bff", values, caller=OPERATOR)
    policy = policy_of(access_ttl=MINUTE, scopes=("read",))
    assert updated == await use_cases.clients.get("bff", caller=OPERATOR)
    assert updated == replace(bff, name="Ours", policy=policy, updated_at=clock())


async def test_an_update_is_told_to_all_nodes_and_audited_with_its_fields(
    use_cases: UseCases, store: RecordingStore, bff: Client, clock: FakeClock
) -> None:
    """The event names who did it and which fields differ now, not those that were only mentioned."""
    values = {"name": "Ours", "acts_for": frozenset({"phone"}), "token_policy.retry_window": 0}
    await use_cases.clients.update("bff", values, caller=ADMIN)
    effects = store.written[-1]
    assert [(entry.kind, entry.key) for entry in effects.log] == [(EntryKind.CLIENT_CHANGED, "bff")]
    details: dict[str, str | int] = {"fields": "name token_policy.retry_window"}
    assert effects.audit == (AuditEvent("client.updated", at=clock(), caller="root", client_id="bff", details=details),)


async def test_an_update_may_disable(use_cases: UseCases, store: RecordingStore, bff: Client) -> None:
    """Disabling among other changes raises the barrier, and is an event of its own."""
    updated = await use_cases.clients.update("bff", {"disabled": True, "name": "Gone"}, caller=OPERATOR)
    assert updated.disabled
    effects = store.written[-1]
    assert [(entry.kind, entry.key, entry.issued_before) for entry in effects.log] == [(EntryKind.CLIENT, "bff", None)]
    assert [event.type for event in effects.audit] == ["client.disabled", "client.updated"]
    assert effects.audit[1].details == {"fields": "name"}


async def test_what_is_wrong_with_a_row_does_not_keep_its_client_on(
    use_cases: UseCases, store: RecordingStore, bff: Client
) -> None:
    """A policy that was allowed once is refused in other changes; to disable comes first."""
    old = replace(bff, policy=policy_of(rotation=Rotation.NEVER))
    await store.commit(Unit(lambda _rows: Effects(None, client=old)))
    assert (
        await refusal(use_cases.clients.update("bff", {"name": "x"}, caller=OPERATOR))
    ).field == "token_policy.rotation"
    assert (await use_cases.clients.set_disabled("bff", disabled=True, caller=OPERATOR)).disabled


async def test_an_update_of_a_disabled_client_raises_no_barrier(
    use_cases: UseCases, store: RecordingStore, bff: Client
) -> None:
    """Only who disables ends anything."""
    await use_cases.clients.set_disabled("bff", disabled=True, caller=OPERATOR)
    await use_cases.clients.update("bff", {"name": "Still off"}, caller=OPERATOR)
    assert [entry.kind for entry in store.written[-1].log] == [EntryKind.CLIENT_CHANGED]


async def test_two_updates_at_once_lose_nothing(use_cases: UseCases, bff: Client) -> None:
    """Each changes its fields of the client as the other left it."""
    await asyncio.gather(
        use_cases.clients.update("bff", {"name": "Ours"}, caller=OPERATOR),
        use_cases.clients.update("bff", {"token_policy.max_sessions": 3}, caller=OPERATOR),
    )
    found = await use_cases.clients.get("bff", caller=OPERATOR)
    assert (found.name, found.policy.max_sessions) == ("Ours", 3)


async def test_an_update_is_checked_against_what_is_there(
    use_cases: UseCases, store: RecordingStore, bff: Client
) -> None:
    """Fields that do not go together are refused though they come one after the other."""
    await use_cases.clients.update("bff", {"token_policy.sender_constraint": SenderConstraint.DPOP}, caller=OPERATOR)
    await use_cases.clients.update("bff", {"token_policy.rotation": Rotation.NEVER}, caller=OPERATOR)
    written = len(store.written)
    refused = await refusal(
        use_cases.clients.update("bff", {"token_policy.sender_constraint": SenderConstraint.NONE}, caller=OPERATOR)
    )
    assert (refused.reason, refused.field) == (Reason.INVALID_REQUEST, "token_policy.rotation")
    assert len(store.written) == written


async def test_a_public_client_is_not_given_permissions(use_cases: UseCases, store: RecordingStore) -> None:
    """What create refuses, update does too."""
    await use_cases.register_public("phone")
    refused = await refusal(
        use_cases.clients.update("phone", {"permissions": frozenset({Permission.ISSUE})}, caller=OPERATOR)
    )
    assert (refused.reason, refused.field) == (Reason.INVALID_REQUEST, "permissions")
    assert len(store.written) == 1


async def test_a_deleted_client_is_gone(use_cases: UseCases, store: RecordingStore, bff: Client) -> None:
    """It is neither found nor listed, and the revision that is answered holds its end."""
    revision = await use_cases.clients.delete("bff", caller=OPERATOR)
    assert (await refusal(use_cases.clients.get("bff", caller=OPERATOR))).reason is Reason.CLIENT_NOT_FOUND
    assert await use_cases.clients.list_clients(caller=OPERATOR) == ([], "")
    assert revision == (await store.view()).revision


async def test_deleting_raises_a_barrier_and_is_audited(
    use_cases: UseCases, store: RecordingStore, bff: Client, clock: FakeClock
) -> None:
    """One transaction removes the row and ends everything that was issued for the client."""
    await use_cases.clients.delete("bff", caller=ADMIN)
    effects = store.written[-1]
    assert effects.deleted_client == "bff"
    assert [(entry.kind, entry.key, entry.issued_before) for entry in effects.log] == [(EntryKind.CLIENT, "bff", None)]
    assert effects.audit == (AuditEvent("client.deleted", at=clock(), caller="root", client_id="bff"),)


async def test_an_id_is_free_after_a_deletion(use_cases: UseCases, store: RecordingStore, clock: FakeClock) -> None:
    """A client that is registered under it has another secret and nothing of the one before."""
    old = await use_cases.register("bff", name="The first")
    await use_cases.clients.delete("bff", caller=OPERATOR)
    new = await use_cases.register("bff")
    view = await store.view()
    assert authenticate(view, "bff", new, clock()).name == ""
    with pytest.raises(RefusedError):
        authenticate(view, "bff", old, clock())


async def test_a_new_secret_replaces_the_one_before_in_time(
    use_cases: UseCases, store: RecordingStore, clock: FakeClock
) -> None:
    """Both are good until the overlap is over, then the new one alone, without anything being done."""
    old = await use_cases.register("bff")
    rotated = await use_cases.clients.rotate_secret("bff", HOUR, caller=OPERATOR)
    assert rotated.previous_expires_at == clock() + HOUR
    view = await store.view()
    for secret in (old, rotated.secret):
        assert authenticate(view, "bff", secret, clock() + HOUR - 1).client_id == "bff"
    assert authenticate(view, "bff", rotated.secret, clock() + HOUR)
    with pytest.raises(RefusedError):
        authenticate(view, "bff", old, clock() + HOUR)


@pytest.mark.parametrize(("overlap", "until"), [(None, DAY), (0, 0), (1, 1), (30 * DAY, 30 * DAY)])
async def test_the_overlap_is_a_day_or_what_is_said(
    use_cases: UseCases, bff: Client, clock: FakeClock, overlap: int | None, until: int
) -> None:
    """From nothing to thirty days; without any word, 24 hours."""
    rotated = await use_cases.clients.rotate_secret("bff", overlap, caller=OPERATOR)
    assert rotated.previous_expires_at == clock() + until
    found = await use_cases.clients.get("bff", caller=OPERATOR)
    assert found.secret_hashes(clock() + until) == (hash_secret(rotated.secret), None)
    assert found.secret_hashes(clock() + until - 1)[1] == (bff.secret_hash if until else None)


async def test_an_overlap_of_nothing_keeps_no_hash(use_cases: UseCases, bff: Client) -> None:
    """A secret that ends at once leaves nothing behind, not even that of an overlap before."""
    await use_cases.clients.rotate_secret("bff", caller=OPERATOR)
    await use_cases.clients.rotate_secret("bff", 0, caller=OPERATOR)
    found = await use_cases.clients.get("bff", caller=OPERATOR)
    assert (found.previous_secret_hash, found.previous_expires_at) == (None, 0)


async def test_no_more_than_two_secrets_are_good(use_cases: UseCases, store: RecordingStore, clock: FakeClock) -> None:
    """A second rotation within the overlap ends the oldest secret at once."""
    oldest = await use_cases.register("bff")
    older = (await use_cases.clients.rotate_secret("bff", caller=OPERATOR)).secret
    newest = (await use_cases.clients.rotate_secret("bff", caller=OPERATOR)).secret
    view = await store.view()
    assert {authenticate(view, "bff", secret, clock()).client_id for secret in (older, newest)} == {"bff"}
    with pytest.raises(RefusedError):
        authenticate(view, "bff", oldest, clock())


async def test_a_rotation_is_told_to_all_nodes_and_audited(
    use_cases: UseCases, store: RecordingStore, bff: Client, clock: FakeClock
) -> None:
    """The event says until when the secret before is good; the secrets and their hashes are in no event."""
    rotated = await use_cases.clients.rotate_secret("bff", HOUR, caller=ADMIN)
    effects = store.written[-1]
    assert [(entry.kind, entry.key) for entry in effects.log] == [(EntryKind.CLIENT_CHANGED, "bff")]
    details: dict[str, str | int] = {"previous_expires_at": clock() + HOUR}
    assert effects.audit == (
        AuditEvent("client.secret_rotated", at=clock(), caller="root", client_id="bff", details=details),
    )
    assert rotated.secret not in f"{effects} {rotated}"


@pytest.mark.parametrize("overlap", [-1, 30 * DAY + 1])
async def test_an_overlap_out_of_bounds_is_refused(
    use_cases: UseCases, store: RecordingStore, bff: Client, overlap: int
) -> None:
    """A secret does not stay good for ever, and none ends in the past."""
    refused = await refusal(use_cases.clients.rotate_secret("bff", overlap, caller=OPERATOR))
    assert (refused.reason, refused.field) == (Reason.INVALID_REQUEST, "overlap")
    assert len(store.written) == 1


async def test_a_public_client_gets_no_secret_later_either(use_cases: UseCases, store: RecordingStore) -> None:
    """A rotation does not make it one that can call."""
    await use_cases.register_public("phone")
    refused = await refusal(use_cases.clients.rotate_secret("phone", caller=OPERATOR))
    assert (refused.reason, refused.field) == (Reason.INVALID_REQUEST, "client_id")
    assert len(store.written) == 1


ACTS: dict[str, Callable[[Clients, str, Client], Awaitable[Any]]] = {
    "get": lambda clients, client_id, caller: clients.get(client_id, caller=caller),
    "update": lambda clients, client_id, caller: clients.update(client_id, {"name": "x"}, caller=caller),
    "disable": lambda clients, client_id, caller: clients.set_disabled(client_id, disabled=True, caller=caller),
    "delete": lambda clients, client_id, caller: clients.delete(client_id, caller=caller),
    "rotate": lambda clients, client_id, caller: clients.rotate_secret(client_id, caller=caller),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    ("client_id", "reason"), [("nobody", Reason.CLIENT_NOT_FOUND), ("", Reason.INVALID_REQUEST)], ids=["unknown", "no"]
)
async def test_a_client_that_is_not_there_is_refused(
    use_cases: UseCases, store: RecordingStore, act: str, client_id: str, reason: Reason
) -> None:
    """Whatever is to be done to it, there is nothing to write."""
    refused = await refusal(ACTS[act](use_cases.clients, client_id, ADMIN))
    assert (refused.reason, refused.field) == (reason, "client_id")
    assert store.written == []


@pytest.mark.parametrize("act", [*ACTS, "create", "list"])
async def test_each_act_needs_the_permission_admin(
    use_cases: UseCases, store: RecordingStore, bff: Client, act: str
) -> None:
    """All other permissions together are not enough, and nothing is written."""
    more: dict[str, Callable[[], Awaitable[Any]]] = {
        "create": lambda: use_cases.clients.create(Client("new"), confidential=True, caller=STRANGER),
        "list": lambda: use_cases.clients.list_clients(caller=STRANGER),
    }
    call = more[act]() if act in more else ACTS[act](use_cases.clients, "bff", STRANGER)
    assert (await refusal(call)).reason is Reason.CALLER_NOT_PERMITTED
    assert len(store.written) == 1
