"""What a program shows of itself."""

import base64
import json
from datetime import timedelta
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from flavours import Flavour
from holding import JWK, KEY, PEM, PUBLIC
from scripted import Answer, Asked, Refusal, Scripted
from served import Served
from tokensvc_client import (
    Assertion,
    Retries,
    Secret,
    Supplied,
    Tls,
    UnauthenticatedError,
)
from tokensvc_pb.v1 import key_service_pb2

UNKNOWN = Refusal(grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNAUTHENTICATED")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def assertion(**options: Any) -> Assertion:
    """Credentials of the client "bff"."""
    return Assertion("bff", PEM, **{"issuer": "https://issuer.test", **options})


def test_a_secret_is_sent_form_encoded() -> None:
    """RFC 6749, 2.3.1: a colon in the id does not end it."""
    shown = Secret("https://bff", "s:1").authorization()
    assert base64.b64decode(shown.removeprefix("Basic ")) == b"https%3A%2F%2Fbff:s%3A1"


def test_an_assertion_says_who_for_whom_and_for_how_long() -> None:
    """What the service demands of it (RFC 7523, 3), and nothing else."""
    clock = Clock()
    token = assertion(clock=clock, lifetime=timedelta(minutes=2), key_id="2026").authorization().removeprefix("Bearer ")
    claims = jwt.decode(token, KEY.public_key(), algorithms=["ES256"], options={"verify_signature": False})
    assert (claims.pop("iss"), claims.pop("sub"), claims.pop("aud")) == ("bff", "bff", "https://issuer.test")
    assert claims.pop("exp") - claims.pop("iat") == 120
    assert claims.keys() == {"jti"}
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "typ": "JWT", "kid": "2026"}


@pytest.mark.parametrize("key", [PEM, PEM.encode(), JWK, json.dumps(JWK)], ids=["pem", "bytes", "jwk", "json"])
def test_keys_are_read_in_every_form(key: Any) -> None:
    """PEM, and JWK with the name that it has."""
    token = Assertion("bff", key, issuer="https://issuer.test").authorization().removeprefix("Bearer ")
    assert jwt.decode(token, KEY.public_key(), algorithms=["ES256"], audience="https://issuer.test")
    assert jwt.get_unverified_header(token).get("kid") == (None if key in (PEM, PEM.encode()) else "k-1")


OTHER = ed25519.Ed25519PrivateKey.generate().private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.parametrize("key", ["", "nonsense", "{", {}, PUBLIC, json.dumps(PUBLIC), OTHER], ids=range(7))
def test_what_is_no_private_key_is_refused_at_once(key: Any) -> None:
    """Not at the first call; and the text is not repeated."""
    with pytest.raises(ValueError, match="private_key: neither PEM nor a JWK of a private key for ES256") as caught:
        Assertion("bff", key, issuer="https://issuer.test")
    assert caught.value.__cause__ is None


def test_an_assertion_is_kept_until_shortly_before_its_end() -> None:
    """It is replaced by itself, so no call meets its end."""
    clock = Clock()
    credentials = assertion(clock=clock, lifetime=timedelta(minutes=2))
    first = credentials.authorization()
    clock.now += 89
    assert credentials.authorization() == first
    clock.now += 1
    assert credentials.authorization() != first


def test_a_refused_assertion_is_replaced_once_for_all() -> None:
    """Of many who are refused with the same one, the first replaces it."""
    credentials = assertion()
    refused = credentials.authorization()
    assert credentials.renewed(refused)
    second = credentials.authorization()
    assert credentials.renewed(refused)
    assert credentials.authorization() == second != refused


def test_one_for_each_call_where_connections_are_shared() -> None:
    """No two calls bring the same."""
    credentials = assertion(for_each_call=True)
    assert credentials.authorization() != credentials.authorization()


@pytest.mark.parametrize("lifetime", [timedelta(seconds=59), timedelta(minutes=10, seconds=1)])
def test_a_lifetime_has_bounds(lifetime: timedelta) -> None:
    """The service takes ten minutes at most."""
    with pytest.raises(ValueError, match="lifetime"):
        assertion(lifetime=lifetime)


def test_no_secret_is_in_a_text() -> None:
    """Neither the secret nor the key nor what is sent."""
    credentials = assertion()
    shown = credentials.authorization()
    text = repr([credentials, Secret("bff", "s3cret"), Supplied(lambda: "s3cret"), Tls()])
    assert "s3cret" not in text
    assert shown not in text
    assert "bff" in text


def test_a_kept_assertion_serves_many_calls(server: Served, flavour: Flavour, key_holder: Any) -> None:
    """The service takes it from one connection again and again."""
    credentials = key_holder()
    client = flavour.client(server.address, credentials=credentials)
    first = credentials.authorization()
    assert not any(client.introspect("nonsense") for _ in range(3))
    assert credentials.authorization() == first


def test_a_caller_that_is_not_known_is_told(server: Served, flavour: Flavour) -> None:
    """A wrong secret and an assertion of nobody are refused alike."""
    for credentials in (Secret("nobody", "secret"), assertion(issuer=server.issuer), None):
        with pytest.raises(UnauthenticatedError):
            flavour.client(server.address, credentials=credentials).introspect("nonsense")


def test_credentials_are_replaced_while_in_use(flavour: Flavour, script: Scripted) -> None:
    """The next call shows the new ones."""
    client = flavour.client(script.address, credentials=Secret("bff", "one"))
    client.get_jwks()
    client.credentials = Supplied(lambda: "Basic two")
    client.get_jwks()
    client.credentials = None
    client.get_jwks()
    assert [asked.authorization for asked in script.calls] == [Secret("bff", "one").authorization(), "Basic two", ""]


def test_what_a_function_supplies_is_asked_for_each_call(flavour: Flavour, script: Scripted) -> None:
    """Also after a refusal, once, if it has something else by then."""
    supplied = ["old", "old", "new", "new", "new"]

    def only_new(asked: Asked) -> Answer:
        return key_service_pb2.GetJwksResponse() if asked.authorization == "new" else UNKNOWN

    script.script = only_new
    client = flavour.client(script.address, credentials=Supplied(lambda: supplied.pop(0)), retries=Retries(attempts=1))
    with pytest.raises(UnauthenticatedError):
        client.get_jwks()
    client.get_jwks()
    assert [asked.authorization for asked in script.calls] == ["old", "new"]


def test_a_refused_call_is_renewed_once(flavour: Flavour, script: Scripted) -> None:
    """A client that is not registered does not call for ever."""
    script.script = lambda asked: UNKNOWN
    with pytest.raises(UnauthenticatedError):
        flavour.client(script.address, credentials=assertion()).get_jwks()
    assert len({asked.authorization for asked in script.calls}) == len(script.calls) == 2
