"""How a client authenticates, as ClientService takes it, changes it and shows it."""

import json
from typing import Any

import pytest
from tokensvc_pb.v1 import client_service_pb2 as pb

from tests.client_keys import jwks_of, public_jwk
from tests.harness import Caller, Service, failure
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.client import Permission

SECRET, JWT, TLS = (
    pb.CLIENT_AUTH_METHOD_SECRET,
    pb.CLIENT_AUTH_METHOD_PRIVATE_KEY_JWT,
    pb.CLIENT_AUTH_METHOD_TLS,
)
JWKS = jwks_of(public_jwk())
FINGERPRINT = "0123456789abcdef" * 4
BY_JWT: dict[str, Any] = {"auth_method": JWT, "keys": {"jwks": JWKS, "algorithms": ["ES256"]}}
BY_TLS: dict[str, Any] = {"auth_method": TLS, "keys": {"tls_dns_name": "bff.test"}}


@pytest.fixture
async def admin(service: Service) -> Caller:
    """A caller that may administer."""
    return await service.caller("admin", permissions=frozenset({Permission.ADMIN}), acts_for=frozenset())


async def create(admin: Caller, **fields: Any) -> pb.CreateClientResponse:
    """Register the confidential client `new`."""
    described = pb.Client(**{"client_id": "new", "type": pb.CLIENT_TYPE_CONFIDENTIAL, **fields})
    answer: pb.CreateClientResponse = await admin.CreateClient(pb.CreateClientRequest(client=described))
    return answer


async def update(admin: Caller, *paths: str, **fields: Any) -> pb.Client:
    """Change `new`; the paths are those of the fields if none are given."""
    request = pb.UpdateClientRequest(client=pb.Client(client_id="new", **fields))
    request.update_mask.paths.extend(paths or fields)
    answer: pb.UpdateClientResponse = await admin.UpdateClient(request)
    return answer.client


async def rotate(admin: Caller) -> pb.RotateClientSecretResponse:
    """Give `new` a secret."""
    request = pb.RotateClientSecretRequest(client_id="new")
    answer: pb.RotateClientSecretResponse = await admin.RotateClientSecret(request)
    return answer


@pytest.mark.parametrize(
    "fields",
    [
        BY_JWT,
        BY_TLS,
        {"auth_method": TLS, "keys": {"tls_spiffe_id": "spiffe://prod.test/ns/shop/sa/bff"}},
        {"auth_method": TLS, "keys": {"tls_sha256": FINGERPRINT}},
    ],
    ids=["private_key_jwt", "tls by name", "tls by SPIFFE ID", "tls by fingerprint"],
)
async def test_a_client_without_a_secret_is_registered(admin: Caller, fields: dict[str, Any]) -> None:
    """It is shown as it was described, and gets no secret."""
    created = await create(admin, **fields)
    shown = (await admin.GetClient(pb.GetClientRequest(client_id="new"))).client
    assert created.client == shown
    assert (shown.type, shown.auth_method, shown.keys) == (
        pb.CLIENT_TYPE_CONFIDENTIAL,
        fields["auth_method"],
        pb.ClientKeys(**fields["keys"]),
    )
    assert created.client_secret == ""


async def test_a_set_of_keys_is_kept_as_it_was_given(admin: Caller) -> None:
    """White space and members that mean nothing here included."""
    jwks = json.dumps({"keys": [public_jwk(colour="red")]}, indent=2)
    assert (await create(admin, auth_method=JWT, keys={"jwks": jwks})).client.keys.jwks == jwks


async def test_without_algorithms_those_of_the_keys_count(admin: Caller) -> None:
    """And are shown."""
    jwks = jwks_of(public_jwk(kid="a"), public_jwk("RS256", kid="b"))
    created = await create(admin, auth_method=JWT, keys={"jwks": jwks})
    assert created.client.keys.algorithms == ["ES256", "PS256", "RS256"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"tls_dns_name": "BFF.Test"}, {"tls_dns_name": "bff.test"}),
        ({"tls_sha256": ":".join(["AB"] * 32)}, {"tls_sha256": "ab" * 32}),
    ],
    ids=["DNS name", "fingerprint"],
)
async def test_names_have_one_spelling(admin: Caller, given: dict[str, str], kept: dict[str, str]) -> None:
    """In lower case, and a fingerprint as openssl prints it without its colons."""
    assert (await create(admin, auth_method=TLS, keys=given)).client.keys == pb.ClientKeys(**kept)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("keys.jwks", {"auth_method": JWT}),
    ("keys.jwks", {"auth_method": JWT, "keys": {"algorithms": ["ES256"]}}),
    ("keys.jwks", {"auth_method": JWT, "keys": {"jwks": "{}"}}),
    ("keys.jwks", {"auth_method": JWT, "keys": {"jwks": jwks_of(public_jwk(d="AAAA"))}}),
    ("keys.algorithms", {"auth_method": JWT, "keys": {"jwks": JWKS, "algorithms": ["ES256", "RS256"]}}),
    ("keys.algorithms", {"auth_method": JWT, "keys": {"jwks": JWKS, "algorithms": ["none"]}}),
    ("keys.algorithms", {"auth_method": JWT, "keys": {"jwks": JWKS, "algorithms": [""]}}),
    ("keys.tls_dns_name", {"auth_method": JWT, "keys": {"jwks": JWKS, "tls_dns_name": "bff.test"}}),
    ("keys", {"auth_method": TLS}),
    ("keys", {"auth_method": TLS, "keys": {"tls_dns_name": "bff.test", "tls_sha256": FINGERPRINT}}),
    ("keys.jwks", {"auth_method": TLS, "keys": {"jwks": JWKS, "tls_dns_name": "bff.test"}}),
    ("keys.jwks", {"auth_method": SECRET, "keys": {"jwks": JWKS}}),
    ("keys.jwks", {"keys": {"jwks": JWKS}}),
    ("keys.tls_sha256", {"type": pb.CLIENT_TYPE_PUBLIC, "keys": {"tls_sha256": FINGERPRINT}}),
    ("auth_method", {"type": pb.CLIENT_TYPE_PUBLIC, **BY_JWT}),
    *(
        ("keys.tls_spiffe_id", {"auth_method": TLS, "keys": {"tls_spiffe_id": name}})
        for name in (
            "bff.test",
            "https://bff.test/x",
            "spiffe://bff.test",
            "spiffe://bff.test/",
            "spiffe://BFF.test/x",
            "spiffe://bff.test/x/",
            "spiffe://bff.test//x",
            "spiffe://bff.test/./x",
            "spiffe://bff.test/x/..",
            "spiffe://bff.test/a b",
            "spiffe://bff.test:1/x",
            "spiffe://bff.test/x?y",
            "spiffe://bff.test/x\n",
            "spiffe:///x",
            "spiffe://bff.test/" + "x" * 2048,
        )
    ),
    *(
        ("keys.tls_dns_name", {"auth_method": TLS, "keys": {"tls_dns_name": name}})
        for name in (
            "*.test",
            "a b",
            "a..b",
            ".a",
            "a.",
            "-a.b",
            "a-.b",
            "192.0.2.7",
            "x" * 64,
            "a\n",
            "a_b.c",
            "é.c",
        )
    ),
    *(
        ("keys.tls_sha256", {"auth_method": TLS, "keys": {"tls_sha256": digits}})
        for digits in (FINGERPRINT[1:], FINGERPRINT + "0", "g" * 64, "٣" * 64, FINGERPRINT + "\n")
    ),
]


@pytest.mark.parametrize(("field", "fields"), REFUSED, ids=lambda value: str(value)[:60])
async def test_what_does_not_fit_is_refused(
    service: Service, admin: Caller, field: str, fields: dict[str, Any]
) -> None:
    """By its field, and nothing is written."""
    before = tables_of(service)
    refused = await failure(create(admin, **fields))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", (f"client.{field}",))
    assert tables_of(service) == before


async def test_a_method_is_changed_with_its_keys(service: Service, admin: Caller) -> None:
    """From a secret to keys, to a certificate, and back; what was before is gone each time."""
    await create(admin)
    assert (await update(admin, **BY_JWT)).keys == pb.ClientKeys(**BY_JWT["keys"])
    assert [row["secret_hash"] for row in rows_of(service, "clients") if row["client_id"] == "new"] == [None]
    assert (await update(admin, **BY_TLS)).keys == pb.ClientKeys(**BY_TLS["keys"])
    by_secret = await update(admin, auth_method=SECRET)
    assert (by_secret.auth_method, by_secret.HasField("keys")) == (SECRET, False)
    secret = (await rotate(admin)).client_secret
    assert (await admin.GetClient(pb.GetClientRequest(client_id="new"))).client.auth_method == SECRET
    answer = await failure(Caller("new", secret, service.channel).ListClients(pb.ListClientsRequest()))
    assert answer.reason == "CALLER_NOT_PERMITTED"


async def test_a_client_that_waits_for_its_secret_cannot_call(service: Service, admin: Caller) -> None:
    """It is shown as one that authenticates by a secret, and none is right."""
    await create(admin, **BY_JWT)
    await update(admin, auth_method=SECRET)
    for secret in ("", "None", "tscs_"):
        refused = await failure(Caller("new", secret, service.channel).ListClients(pb.ListClientsRequest()))
        assert refused.reason == "CALLER_UNAUTHENTICATED"


@pytest.mark.parametrize("fields", [BY_JWT, BY_TLS], ids=["private_key_jwt", "tls"])
async def test_who_has_no_secret_gets_no_other(service: Service, admin: Caller, fields: dict[str, Any]) -> None:
    """RotateClientSecret is for those who authenticate by one."""
    await create(admin, **fields)
    before = tables_of(service)
    refused = await failure(rotate(admin))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("client_id",))
    assert tables_of(service) == before


@pytest.mark.parametrize(
    ("field", "paths", "fields"),
    [
        ("keys.jwks", ("auth_method",), {"auth_method": JWT}),
        ("keys.jwks", ("keys",), {"keys": {"jwks": JWKS}}),
        ("keys.jwks", ("keys.jwks",), {"keys": {"jwks": JWKS}}),
        ("auth_method", ("auth_method",), {}),
        ("keys", ("auth_method", "keys"), {"auth_method": TLS}),
    ],
)
async def test_a_change_that_does_not_fit_is_refused(
    service: Service, admin: Caller, field: str, paths: tuple[str, ...], fields: dict[str, Any]
) -> None:
    """Of a client with a secret, which stays."""
    await create(admin)
    before = tables_of(service)
    refused = await failure(update(admin, *paths, **fields))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", (f"client.{field}",))
    assert tables_of(service) == before


async def test_a_public_client_gets_no_method(admin: Caller) -> None:
    """Its type never changes."""
    await create(admin, type=pb.CLIENT_TYPE_PUBLIC)
    assert (await failure(update(admin, **BY_JWT))).fields == ("client.auth_method",)


async def test_keys_are_changed_one_by_one(service: Service, admin: Caller) -> None:
    """A part of them is replaced, the rest stays; the event names what differs and shows nothing of it."""
    await create(admin, **BY_JWT)
    jwks = jwks_of(public_jwk(name="a", kid="a"), public_jwk(name="b", kid="b"))
    changed = await update(admin, "keys.jwks", keys={"jwks": jwks})
    assert changed.keys == pb.ClientKeys(jwks=jwks, algorithms=["ES256"])
    event = rows_of(service, "audit_events")[-1]
    assert (event["type"], json.loads(event["details"])) == ("client.updated", {"fields": "keys.jwks"})
