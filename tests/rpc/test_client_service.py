"""ClientService over gRPC: what it registers, shows, changes and audits."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from structlog.testing import capture_logs
from tokensvc_pb.v1 import client_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.steps import is_active, issue
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.client import Permission

# No field has its default: whatever is lost on the way shows.
POLICY = {
    "access_ttl": "60s",
    "refresh_idle_ttl": "3600s",
    "refresh_absolute_ttl": "7200.500s",
    "retry_window": "0s",
    "scopes": ["write", "read"],
    "audiences": ["api"],
    "rotation": "ROTATION_POLICY_PERIODIC",
    "rotation_interval": "600s",
    "refresh_token_format": "REFRESH_TOKEN_FORMAT_JWT",
    "max_sessions": 5,
    "session_limit_action": "SESSION_LIMIT_ACTION_REFUSE",
    "binding": {
        "device": "BINDING_ACTION_REJECT",
        "ip": "BINDING_ACTION_AUDIT",
        "user_agent": "BINDING_ACTION_END_SESSION",
        "credential_version": "BINDING_ACTION_IGNORE",
        "ipv4_prefix_length": 16,
        "ipv6_prefix_length": 64,
    },
    "sender_constraint": "SENDER_CONSTRAINT_DPOP",
}
DESCRIPTION = {
    "client_id": "new",
    "name": "The new one",
    "type": "CLIENT_TYPE_CONFIDENTIAL",
    "disabled": True,
    "permissions": ["PERMISSION_ISSUE", "PERMISSION_ADMIN"],
    "acts_for": ["phone", "web"],
    "audiences": ["api", "billing"],
    "token_policy": POLICY,
    "auth_method": "CLIENT_AUTH_METHOD_SECRET",
    "exchange_policy": {"subject_clients": ["phone", "web"], "audiences": ["ledger"], "scopes": ["read"]},
    "rate_limit": {"per_second": 2.5, "burst": 10},
}
DEFAULT_POLICY = {
    "access_ttl": "300s",
    "refresh_idle_ttl": "2592000s",
    "refresh_absolute_ttl": "7776000s",
    "retry_window": "30s",
    "rotation": "ROTATION_POLICY_GRACEFUL",
    "rotation_interval": "0s",
    "refresh_token_format": "REFRESH_TOKEN_FORMAT_OPAQUE",
    "session_limit_action": "SESSION_LIMIT_ACTION_END_OLDEST",
    "binding": {
        "device": "BINDING_ACTION_IGNORE",
        "ip": "BINDING_ACTION_IGNORE",
        "user_agent": "BINDING_ACTION_IGNORE",
        "credential_version": "BINDING_ACTION_REJECT",
        "ipv4_prefix_length": 24,
        "ipv6_prefix_length": 48,
    },
    "sender_constraint": "SENDER_CONSTRAINT_NONE",
}


@pytest.fixture
async def admin(service: Service) -> Caller:
    """A caller that may administer, and nothing else."""
    return await service.caller("admin", permissions=frozenset({Permission.ADMIN}), acts_for=frozenset())


def message_of(**description: Any) -> pb.Client:
    """A client in the words of the proto's JSON."""
    return json_format.ParseDict(description, pb.Client())


def shown(client: pb.Client) -> dict[str, Any]:
    """A client in the words of the proto's JSON, without its moments."""
    words = json_format.MessageToDict(client, preserving_proto_field_name=True)
    return {name: value for name, value in words.items() if name not in {"created_at", "updated_at"}}


async def create(admin: Caller, **description: Any) -> pb.CreateClientResponse:
    """Register a public client `new`, but for what is described otherwise."""
    described = {"client_id": "new", "type": "CLIENT_TYPE_PUBLIC", **description}
    return await admin.CreateClient(pb.CreateClientRequest(client=message_of(**described)))


async def update(admin: Caller, *paths: str, **description: Any) -> pb.Client:
    """Change `new`, or which client is described; answer it."""
    client = message_of(**{"client_id": "new", **description})
    request = pb.UpdateClientRequest(client=client)
    request.update_mask.paths.extend(paths)
    return (await admin.UpdateClient(request)).client


async def get(admin: Caller, client_id: str = "new") -> pb.Client:
    """The client as it is shown."""
    return (await admin.GetClient(pb.GetClientRequest(client_id=client_id))).client


def events_of(service: Service, client_id: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The type, caller and details of the audit events about a client, in their order."""
    rows = [row for row in rows_of(service, "audit_events") if row["client_id"] == client_id]
    return [(row["type"], row["caller"], json.loads(row["details"])) for row in rows]


async def test_every_field_arrives_and_is_shown(service: Service, admin: Caller) -> None:
    """What CreateClient was told is what it answers, and what GetClient and ListClients show."""
    created = (await create(admin, **DESCRIPTION)).client
    assert shown(created) == DESCRIPTION
    assert created.created_at.ToMilliseconds() == created.updated_at.ToMilliseconds() == service.clock()
    assert await get(admin) == created
    assert created in (await admin.ListClients(pb.ListClientsRequest())).clients


async def test_what_is_not_said_has_its_default(admin: Caller) -> None:
    """The least that a client can be, with every default spelt out."""
    created = await create(admin)
    described = {"client_id": "new", "type": "CLIENT_TYPE_PUBLIC", "token_policy": DEFAULT_POLICY}
    assert shown(created.client) == described
    assert created.client_secret == ""


async def test_what_is_shown_can_be_sent_back(admin: Caller) -> None:
    """A client that was read registers another one just like it."""
    first = (await create(admin, **DESCRIPTION)).client
    second = pb.Client()
    second.CopyFrom(first)
    second.client_id = "second"
    created = (await admin.CreateClient(pb.CreateClientRequest(client=second))).client
    assert shown(created) == {**DESCRIPTION, "client_id": "second"}


async def test_a_new_client_calls_with_its_secret(service: Service, admin: Caller) -> None:
    """The secret of the answer is good at once."""
    policy = {"scopes": ["read"]}
    may = ["PERMISSION_ISSUE", "PERMISSION_INTROSPECT"]
    created = await create(admin, type="CLIENT_TYPE_CONFIDENTIAL", permissions=may, token_policy=policy)
    caller = Caller("new", created.client_secret, service.channel)
    assert await is_active(caller, (await issue(caller)).access_token)


async def test_a_second_client_of_an_id_is_refused(service: Service, admin: Caller) -> None:
    """The first one stays as it is."""
    await create(admin)
    before = tables_of(service)
    refused = await failure(create(admin, name="Another"))
    assert (refused.code.name, refused.reason, refused.fields) == (
        "ALREADY_EXISTS",
        "CLIENT_EXISTS",
        ("client.client_id",),
    )
    assert tables_of(service) == before


async def test_clients_are_listed_in_pages(admin: Caller) -> None:
    """In the order of their ids, each once, and the last page says that it is the last."""
    for client_id in ("c", "b", "d"):
        await create(admin, client_id=client_id)
    first = await admin.ListClients(pb.ListClientsRequest(page_size=2))
    assert [client.client_id for client in first.clients] == ["admin", "b"]
    rest = await admin.ListClients(pb.ListClientsRequest(page_size=2, page_token=first.next_page_token))
    assert [client.client_id for client in rest.clients] == ["c", "d"]
    assert rest.next_page_token == ""


LEAVES = [
    *(name for name in ("name", "permissions", "acts_for", "audiences")),
    *(f"token_policy.{name}" for name in POLICY if name != "binding"),
    *(f"token_policy.binding.{name}" for name in DEFAULT_POLICY["binding"]),
    *("rate_limit.per_second", "rate_limit.burst"),
]
NEEDS = {
    "token_policy.rotation": ("token_policy.rotation_interval",),
    "rate_limit.burst": ("rate_limit.per_second",),
}


def at(words: Any, path: str) -> Any:
    """What stands at a path of a document."""
    for name in path.split("."):
        words = words and words.get(name)
    return words


@pytest.mark.parametrize("path", LEAVES)
async def test_an_update_takes_what_its_mask_names(service: Service, admin: Caller, path: str) -> None:
    """Each field can be changed alone, and none beside it changes though the message has other values for all."""
    await create(admin, type="CLIENT_TYPE_CONFIDENTIAL")
    before = shown(await get(admin))
    paths = (path, *NEEDS.get(path, ()))
    if path == "token_policy.rotation_interval":
        paths = (*paths, "token_policy.rotation")
    service.clock.advance(seconds=1)
    updated = await update(admin, *paths, **DESCRIPTION)
    assert updated == await get(admin)
    assert at(shown(updated), path) == at(DESCRIPTION, path)
    for other in {*LEAVES, "disabled"} - {*paths}:
        assert at(shown(updated), other) == at(before, other)
    assert updated.updated_at.ToMilliseconds() == updated.created_at.ToMilliseconds() + 1000
    ((_, caller, details),) = [event for event in events_of(service, "new") if event[0] == "client.updated"]
    assert (caller, set(details["fields"].split())) == ("admin", {*paths})


async def test_an_update_takes_whole_messages(admin: Caller) -> None:
    """A policy and a binding are replaced as a whole: what they do not say gets its default."""
    await create(admin, **DESCRIPTION)
    updated = await update(admin, "token_policy.binding", token_policy={"binding": {"ip": "BINDING_ACTION_REJECT"}})
    binding = {**DEFAULT_POLICY["binding"], "ip": "BINDING_ACTION_REJECT"}
    assert shown(updated)["token_policy"] == {**POLICY, "binding": binding}
    updated = await update(admin, "token_policy")
    assert shown(updated)["token_policy"] == DEFAULT_POLICY


async def test_an_update_empties_lists(admin: Caller) -> None:
    """A list that is named and not given has no entries afterwards."""
    await create(admin, **DESCRIPTION)
    updated = await update(admin, "permissions", "acts_for", "audiences", "token_policy.scopes")
    lists = (updated.permissions, updated.acts_for, updated.audiences, updated.token_policy.scopes)
    assert not any(map(len, lists))


@pytest.mark.parametrize("disabled", [True, False])
async def test_disabling_by_update_ends_everything_issued(
    service: Service, admin: Caller, bff: Caller, disabled: bool
) -> None:
    """What was issued stays ended when the client is enabled again; another change ends nothing."""
    await service.public_client("app")
    issued = await issue(bff, client_id="app")
    assert (await update(admin, "disabled", "name", client_id="app", disabled=disabled)).disabled is disabled
    await update(admin, "disabled", client_id="app")
    assert await is_active(bff, issued.access_token) is not disabled


async def test_the_secret_before_is_good_for_a_while(service: Service, admin: Caller, bff: Caller) -> None:
    """After a rotation both secrets open the door until the time that the answer names, then the new one alone."""
    request = pb.RotateClientSecretRequest(client_id="bff", overlap={"seconds": 60})
    rotated = await admin.RotateClientSecret(request)
    assert rotated.previous_expires_at.ToMilliseconds() == service.clock() + 60_000
    new = Caller("bff", rotated.client_secret, service.channel)
    assert await issue(bff)
    assert await issue(new)
    service.clock.advance(seconds=60)
    assert (await failure(issue(bff))).reason == "CALLER_UNAUTHENTICATED"
    assert await issue(new)


async def test_the_overlap_is_a_day_when_nothing_is_said(service: Service, admin: Caller, bff: Caller) -> None:
    """An absent overlap is not one of zero."""
    rotated = await admin.RotateClientSecret(pb.RotateClientSecretRequest(client_id="bff"))
    assert rotated.previous_expires_at.ToMilliseconds() == service.clock() + 86_400_000
    assert await issue(bff)


async def test_an_overlap_of_zero_ends_the_secret_before_at_once(service: Service, admin: Caller, bff: Caller) -> None:
    """Whoever has stolen the old secret is out with the answer."""
    rotated = await admin.RotateClientSecret(pb.RotateClientSecretRequest(client_id="bff", overlap={}))
    assert rotated.previous_expires_at.ToMilliseconds() == service.clock()
    assert (await failure(issue(bff))).reason == "CALLER_UNAUTHENTICATED"
    assert await issue(Caller("bff", rotated.client_secret, service.channel))


async def test_every_act_is_audited_with_its_caller(service: Service, admin: Caller) -> None:
    """One event for each act, in their order, none for looking."""
    await create(admin, type="CLIENT_TYPE_CONFIDENTIAL")
    await get(admin)
    await admin.ListClients(pb.ListClientsRequest())
    await update(admin, "name", "token_policy.max_sessions", name="Ours", token_policy={"max_sessions": 2})
    await update(admin, "disabled", disabled=True)
    await update(admin, "disabled")
    rotated = await admin.RotateClientSecret(pb.RotateClientSecretRequest(client_id="new"))
    await admin.DeleteClient(pb.DeleteClientRequest(client_id="new"))
    assert events_of(service, "new") == [
        ("client.created", "admin", {}),
        ("client.updated", "admin", {"fields": "name token_policy.max_sessions"}),
        ("client.disabled", "admin", {}),
        ("client.enabled", "admin", {}),
        (
            "client.secret_rotated",
            "admin",
            {"previous_expires_at": rotated.previous_expires_at.ToMilliseconds()},
        ),
        ("client.deleted", "admin", {}),
    ]


async def test_no_secret_is_kept_logged_or_shown_again(
    service: Service, admin: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    """Secrets stand in the answers that make them: in no table, log, error or later answer."""
    with capture_logs() as logs:
        first = (await create(admin, type="CLIENT_TYPE_CONFIDENTIAL")).client_secret
        second = (await admin.RotateClientSecret(pb.RotateClientSecretRequest(client_id="new"))).client_secret
        answers = [await get(admin), await update(admin, "name"), await admin.ListClients(pb.ListClientsRequest())]
        errors = [
            await failure(create(admin)),
            await failure(update(admin, "name", name="\n")),
            await failure(update(Caller("new", first, service.channel), "name")),
            await failure(update(Caller("new", f"{second}x", service.channel), "name")),
        ]
    printed = capfd.readouterr()
    everything = f"{answers} {errors} {logs} {printed.out} {printed.err} {tables_of(service)}"
    assert first.startswith("tscs_")
    assert first not in everything
    assert second not in everything
