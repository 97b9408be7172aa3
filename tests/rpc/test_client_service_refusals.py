"""What ClientService refuses: each with its code, its reason and the field, and nothing is written."""

from typing import Any

import pytest
from tokensvc_pb.v1 import client_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.tables import tables_of
from tokensvc.domain.client import Permission

PUBLIC, CONFIDENTIAL = pb.CLIENT_TYPE_PUBLIC, pb.CLIENT_TYPE_CONFIDENTIAL
TOO_LONG = {"seconds": 401 * 86_400}


@pytest.fixture
async def admin(service: Service) -> Caller:
    """A caller that may administer, beside a public client `app` and a confidential one `bff`."""
    await service.public_client("app")
    await service.caller("bff")
    return await service.caller("admin", permissions=frozenset({Permission.ADMIN}), acts_for=frozenset())


def policy(field: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """A field of the token policy, and the policy that is refused for it."""
    return f"token_policy.{field}", {"token_policy": fields}


def binding(field: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """The same for a field of the binding."""
    return policy(f"binding.{field}", binding=fields)


# What is wrong whether a client is registered with it or changed to it.
INVALID: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "two\nlines"}),
    ("permissions", {"permissions": [pb.PERMISSION_UNSPECIFIED]}),
    ("permissions", {"permissions": [99]}),
    ("acts_for", {"acts_for": ["a b"]}),
    ("audiences", {"audiences": ["a b"]}),
    policy("access_ttl", access_ttl={"seconds": 0}),
    policy("access_ttl", access_ttl={"seconds": 86_401}),
    policy("access_ttl", access_ttl={"seconds": 1, "nanos": -1}),
    policy("refresh_idle_ttl", refresh_idle_ttl=TOO_LONG),
    policy("refresh_absolute_ttl", refresh_absolute_ttl=TOO_LONG),
    policy("retry_window", retry_window={"seconds": -1}),
    policy("retry_window", retry_window={"seconds": 3601}),
    policy("scopes", scopes=["read write"]),
    policy("audiences", audiences=[""]),
    policy("rotation", rotation=pb.ROTATION_POLICY_NEVER),
    policy("rotation", rotation=99),
    policy("rotation_interval", rotation=pb.ROTATION_POLICY_PERIODIC),
    policy("rotation_interval", rotation=pb.ROTATION_POLICY_PERIODIC, rotation_interval=TOO_LONG),
    policy("rotation_interval", rotation_interval={"seconds": 60}),
    policy("refresh_token_format", refresh_token_format=99),
    policy("max_sessions", max_sessions=1, refresh_token_format=pb.REFRESH_TOKEN_FORMAT_STATELESS_JWT),
    policy(
        "rotation",
        rotation=pb.ROTATION_POLICY_ALWAYS,
        refresh_token_format=pb.REFRESH_TOKEN_FORMAT_STATELESS_JWT,
    ),
    policy("max_sessions", max_sessions=-1),
    policy("max_sessions", max_sessions=1001),
    policy("session_limit_action", session_limit_action=99),
    policy("sender_constraint", sender_constraint=99),
    *(binding(name, **{name: 99}) for name in ("device", "ip", "user_agent", "credential_version")),
    binding("ipv4_prefix_length", ipv4_prefix_length=33),
    binding("ipv4_prefix_length", ipv4_prefix_length=-1),
    binding("ipv6_prefix_length", ipv6_prefix_length=129),
]
INVALID_TO_CREATE: list[tuple[str, dict[str, Any]]] = [
    ("client_id", {"client_id": ""}),
    ("client_id", {"client_id": "a b"}),
    ("type", {"type": pb.CLIENT_TYPE_UNSPECIFIED}),
    ("type", {"type": 99}),
    ("auth_method", {"auth_method": 99}),
    ("auth_method", {"type": PUBLIC, "auth_method": pb.CLIENT_AUTH_METHOD_SECRET}),
    ("auth_method", {"type": PUBLIC, "auth_method": pb.CLIENT_AUTH_METHOD_TLS}),
    ("permissions", {"type": PUBLIC, "permissions": [pb.PERMISSION_ISSUE]}),
]
LATER: list[tuple[str, dict[str, Any]]] = [
    ("rate_limit", {"rate_limit": {"per_second": 5}}),
    ("exchange_policy", {"exchange_policy": {"subject_clients": ["*"]}}),
]


async def refuse(service: Service, call: Any, code: str, reason: str, field: str) -> None:
    """Make a call that must be refused in these words, and see that nothing is written."""
    before = tables_of(service)
    refused = await failure(call)
    assert (refused.code.name, refused.reason, refused.fields) == (code, reason, (field,))
    assert refused.message
    assert tables_of(service) == before


def creation(**fields: Any) -> pb.CreateClientRequest:
    """A request for a confidential client `new`."""
    return pb.CreateClientRequest(client=pb.Client(**{"client_id": "new", "type": CONFIDENTIAL, **fields}))


def change(*paths: str, client_id: str = "bff", **fields: Any) -> pb.UpdateClientRequest:
    """A request to change `bff`."""
    request = pb.UpdateClientRequest(client=pb.Client(client_id=client_id, **fields))
    request.update_mask.paths.extend(paths)
    return request


@pytest.mark.parametrize(("field", "fields"), [*INVALID, *INVALID_TO_CREATE], ids=str)
async def test_create_refuses_by_name(service: Service, admin: Caller, field: str, fields: dict[str, Any]) -> None:
    """What a client may not be is INVALID_REQUEST, and the path leads to the field."""
    call = admin.CreateClient(creation(**fields))
    await refuse(service, call, "INVALID_ARGUMENT", "INVALID_REQUEST", f"client.{field}")


@pytest.mark.parametrize(("field", "fields"), INVALID, ids=str)
async def test_update_refuses_the_same(service: Service, admin: Caller, field: str, fields: dict[str, Any]) -> None:
    """What cannot be registered cannot be changed to either."""
    call = admin.UpdateClient(change(*fields, **fields))
    await refuse(service, call, "INVALID_ARGUMENT", "INVALID_REQUEST", f"client.{field}")


async def test_an_empty_creation_is_refused(service: Service, admin: Caller) -> None:
    """A request that describes nothing."""
    call = admin.CreateClient(pb.CreateClientRequest())
    await refuse(service, call, "INVALID_ARGUMENT", "INVALID_REQUEST", "client.type")


@pytest.mark.parametrize(("field", "fields"), LATER, ids=str)
async def test_create_does_not_ignore_what_is_not_offered(
    service: Service, admin: Caller, field: str, fields: dict[str, Any]
) -> None:
    """What would not be enforced is refused: it must not seem so."""
    call = admin.CreateClient(creation(**fields))
    await refuse(service, call, "UNIMPLEMENTED", "NOT_IMPLEMENTED", f"client.{field}")


@pytest.mark.parametrize(("field", "fields"), LATER, ids=str)
async def test_update_does_not_ignore_it_either(
    service: Service, admin: Caller, field: str, fields: dict[str, Any]
) -> None:
    """The same for a change."""
    call = admin.UpdateClient(change(*fields, **fields))
    await refuse(service, call, "UNIMPLEMENTED", "NOT_IMPLEMENTED", f"client.{field}")


async def test_a_part_of_what_is_not_offered_is_not_ignored(service: Service, admin: Caller) -> None:
    """A path into such a message is no way around."""
    call = admin.UpdateClient(change("rate_limit.burst", rate_limit={"burst": 1}))
    await refuse(service, call, "UNIMPLEMENTED", "NOT_IMPLEMENTED", "client.rate_limit")


@pytest.mark.parametrize("path", ["rate_limit", "rate_limit.burst", "exchange_policy.scopes"])
async def test_to_empty_what_is_not_offered_is_refused(service: Service, admin: Caller, path: str) -> None:
    """To name it without a value is a change too, and an event of it would say that something changed."""
    call = admin.UpdateClient(change("name", path, name="Ours"))
    await refuse(service, call, "UNIMPLEMENTED", "NOT_IMPLEMENTED", f"client.{path.partition('.')[0]}")


async def test_what_the_mask_does_not_name_is_not_looked_at(admin: Caller) -> None:
    """An update says nothing about fields beside its mask, however odd their values are."""
    fields = {"keys": {"jwks": "{}"}, "auth_method": 99, "token_policy": {"rotation": 99, "max_sessions": 7}}
    updated = await admin.UpdateClient(change("token_policy.max_sessions", **fields))
    assert updated.client.token_policy.max_sessions == 7


MASKS = (
    (),
    ("",),
    ("*",),
    ("client_id",),
    ("type",),
    ("created_at",),
    ("updated_at",),
    ("created_at.seconds",),
    ("client_secret",),
    ("secret_hash",),
    ("policy",),
    ("policy.access_ttl",),
    ("name", "colour"),
    ("name.first",),
    ("token_policy.",),
    ("token_policy.colour",),
    ("token_policy.access_ttl.seconds",),
    ("tokenPolicy",),
    ("keys.colour",),
    ("auth_method.colour",),
    ("client.name",),
)


@pytest.mark.parametrize("mask", MASKS, ids=str)
async def test_a_mask_names_fields_that_change(service: Service, admin: Caller, mask: tuple[str, ...]) -> None:
    """A mask that is empty, or names what is unknown or fixed, is refused as a whole."""
    call = admin.UpdateClient(change(*mask, name="Another"))
    await refuse(service, call, "INVALID_ARGUMENT", "INVALID_REQUEST", "update_mask")


async def test_a_public_client_gets_no_permissions(service: Service, admin: Caller) -> None:
    """An update knows which client it is about."""
    call = admin.UpdateClient(change("permissions", client_id="app", permissions=[pb.PERMISSION_ISSUE]))
    await refuse(service, call, "INVALID_ARGUMENT", "INVALID_REQUEST", "client.permissions")


@pytest.mark.parametrize("client_id", ["", "a b", "x" * 256])
async def test_what_cannot_be_an_id_is_refused(service: Service, admin: Caller, client_id: str) -> None:
    """Every method that needs an id says so."""
    words = ("INVALID_ARGUMENT", "INVALID_REQUEST")
    await refuse(service, admin.GetClient(pb.GetClientRequest(client_id=client_id)), *words, "client_id")
    await refuse(service, admin.UpdateClient(change("name", client_id=client_id)), *words, "client.client_id")
    await refuse(service, admin.DeleteClient(pb.DeleteClientRequest(client_id=client_id)), *words, "client_id")
    request = pb.RotateClientSecretRequest(client_id=client_id)
    await refuse(service, admin.RotateClientSecret(request), *words, "client_id")


async def test_an_unknown_client_is_not_found(service: Service, admin: Caller) -> None:
    """Every method that is about one client says so."""
    words = ("NOT_FOUND", "CLIENT_NOT_FOUND")
    await refuse(service, admin.GetClient(pb.GetClientRequest(client_id="nobody")), *words, "client_id")
    await refuse(service, admin.UpdateClient(change("name", client_id="nobody")), *words, "client.client_id")
    await refuse(service, admin.DeleteClient(pb.DeleteClientRequest(client_id="nobody")), *words, "client_id")
    request = pb.RotateClientSecretRequest(client_id="nobody")
    await refuse(service, admin.RotateClientSecret(request), *words, "client_id")


@pytest.mark.parametrize(
    ("client_id", "overlap", "field"),
    [
        ("bff", {"seconds": -1}, "overlap"),
        ("bff", {"seconds": 30 * 86_400, "nanos": 1_000_000}, "overlap"),
        ("bff", {"seconds": 1, "nanos": -1}, "overlap"),
        ("app", {"seconds": 1}, "client_id"),
    ],
)
async def test_a_bad_rotation_is_refused(
    service: Service, admin: Caller, client_id: str, overlap: dict[str, int], field: str
) -> None:
    """An overlap out of bounds, and a client that has no secret."""
    call = admin.RotateClientSecret(pb.RotateClientSecretRequest(client_id=client_id, overlap=overlap))
    await refuse(service, call, "INVALID_ARGUMENT", "INVALID_REQUEST", field)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": 1001}, "page_size"),
        ({"page_token": "nonsense"}, "page_token"),
        ({"page_token": "YR=="}, "page_token"),
    ],
)
async def test_a_bad_page_is_refused(service: Service, admin: Caller, fields: dict[str, Any], field: str) -> None:
    """A size out of bounds, and a token that is none of ours."""
    call = admin.ListClients(pb.ListClientsRequest(**fields))
    await refuse(service, call, "INVALID_ARGUMENT", "INVALID_REQUEST", field)


REQUESTS = {
    "CreateClient": creation(),
    "GetClient": pb.GetClientRequest(client_id="bff"),
    "ListClients": pb.ListClientsRequest(),
    "UpdateClient": change("name", name="Another"),
    "DeleteClient": pb.DeleteClientRequest(client_id="bff"),
    "RotateClientSecret": pb.RotateClientSecretRequest(client_id="bff"),
}


@pytest.mark.parametrize("method", REQUESTS)
async def test_every_method_needs_the_permission_admin(service: Service, admin: Caller, method: str) -> None:
    """All other permissions together are not enough, not even for the caller's own client."""
    almost = await service.caller("almost", permissions=frozenset(Permission) - {Permission.ADMIN})
    before = tables_of(service)
    refused = await failure(getattr(almost, method)(REQUESTS[method]))
    assert (refused.code.name, refused.reason) == ("PERMISSION_DENIED", "CALLER_NOT_PERMITTED")
    assert "admin" in refused.message
    assert tables_of(service) == before
    assert await getattr(admin, method)(REQUESTS[method]) is not None


@pytest.mark.parametrize("method", REQUESTS)
async def test_every_method_needs_a_caller(service: Service, admin: Caller, method: str) -> None:
    """A stranger is refused before anything is looked at."""
    refused = await failure(getattr(Caller("admin", "wrong", service.channel), method)(REQUESTS[method]))
    assert refused.reason == "CALLER_UNAUTHENTICATED"
