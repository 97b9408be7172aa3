"""Owns the registered clients: who calls, for whom tokens are issued, and under which policy."""

import binascii
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import jwt
from tokensvc_pb.v1 import client_service_pb2 as pb

from tokensvc_client.testing.errors import Refusal
from tokensvc_client.testing.moments import milliseconds_in

EVERY_CLIENT: Final = "*"
EVERY_PERMISSION: Final = (
    pb.PERMISSION_ISSUE,
    pb.PERMISSION_REFRESH,
    pb.PERMISSION_INTROSPECT,
    pb.PERMISSION_REVOKE,
    pb.PERMISSION_EXCHANGE,
    pb.PERMISSION_WATCH,
    pb.PERMISSION_ADMIN,
)

_SECOND: Final = 1000
_DAY: Final = 24 * 60 * 60 * _SECOND
_DEFAULTS: Final = {
    "access_ttl": 300 * _SECOND,
    "refresh_idle_ttl": 30 * _DAY,
    "refresh_absolute_ttl": 90 * _DAY,
    "retry_window": 30 * _SECOND,
}


@dataclass
class Client:
    """A client as the contract describes it, and how it proves who it is.

    Without a `secret` any will do; with it the one before is good too, until `previous_until`. One that `is_open` may
    have what its policies leave empty: every scope, audience and exchange. One of CreateClient is not: there an empty
    list is nothing, as in the service.
    """

    message: pb.Client
    secret: str = ""
    is_open: bool = False
    previous_secret: str = ""
    previous_until: int = 0

    @property
    def client_id(self) -> str:
        """Its name."""
        return self.message.client_id

    @property
    def access_ttl(self) -> int:
        """Default and longest lifetime of an access token; like all of these in milliseconds."""
        return self._span("access_ttl")

    @property
    def refresh_idle_ttl(self) -> int:
        """After which time without a refresh a session ends."""
        return self._span("refresh_idle_ttl")

    @property
    def refresh_absolute_ttl(self) -> int:
        """After which time a session ends whatever happens."""
        return self._span("refresh_absolute_ttl")

    @property
    def rotation_interval(self) -> int:
        """How old the last rotation has to be; zero where every refresh rotates."""
        periodic = self.message.token_policy.rotation == pb.ROTATION_POLICY_PERIODIC
        return (milliseconds_in(self.message.token_policy, "rotation_interval") or 0) if periodic else 0

    @property
    def retry_window(self) -> int:
        """How long after a rotation the token before is answered with the same successor."""
        always = self.message.token_policy.rotation == pb.ROTATION_POLICY_ALWAYS
        return 0 if always else self._span("retry_window")

    def _span(self, name: str) -> int:
        given = milliseconds_in(self.message.token_policy, name)
        return _DEFAULTS[name] if given is None else given

    def is_proven_by(self, secret: str, now: int) -> bool:
        """Whether who knows `secret` is this client."""
        good = [self.secret, self.previous_secret] if now < self.previous_until else [self.secret]
        return not self.secret or secret in good

    def require(self, permission: pb.Permission) -> None:
        """Refuse with CALLER_NOT_PERMITTED unless it has `permission`."""
        if permission not in self.message.permissions:
            name = pb.Permission.Name(permission).removeprefix("PERMISSION_").lower()
            raise Refusal("CALLER_NOT_PERMITTED", f"the caller lacks the permission {name!r}")

    @property
    def acts_for_every_client(self) -> bool:
        """Whether no client is out of its reach."""
        return EVERY_CLIENT in self.message.acts_for or pb.PERMISSION_ADMIN in self.message.permissions

    def may_act_for(self, client_id: str) -> bool:
        """Whether it may handle tokens issued for `client_id`; every client may for itself."""
        return client_id == self.client_id or client_id in self.message.acts_for or self.acts_for_every_client

    def scopes(self, wanted: Iterable[str], held: Collection[str] | None = None) -> list[str]:
        """What it gets of the `wanted` scopes under its policy, and of those already `held` where there are any."""
        return self._narrowed(wanted, self.message.token_policy.scopes, held, "scopes")

    def audiences(self, wanted: Iterable[str], issuer: str, held: Collection[str] | None = None) -> list[str]:
        """The same of audiences; without any the token is for the issuer."""
        listed = self.message.token_policy.audiences or ([] if self.is_open else [issuer])
        given = self._narrowed(wanted, listed, held, "audiences") or ([issuer] if self.is_open else [])
        if not given:
            raise refused_wish("audiences")
        return given

    def _narrowed(
        self, wanted: Iterable[str], listed: Collection[str], held: Collection[str] | None, field: str
    ) -> list[str]:
        any_will_do = self.is_open and not listed
        allowed = listed if held is None else [one for one in held if any_will_do or one in listed]
        return narrowed(wanted, None if any_will_do and held is None else allowed, field)


def narrowed(wanted: Iterable[str], allowed: Collection[str] | None, field: str) -> list[str]:
    """The `wanted` ones, all `allowed` ones if none is named; refuses a wider wish. None allows what is asked for."""
    distinct = list(dict.fromkeys(wanted))
    if allowed is None:
        return distinct
    if not all(one in allowed for one in distinct):
        raise refused_wish(field)
    return distinct or list(allowed)


def refused_wish(field: str) -> Refusal:
    """The refusal of scopes or audiences that go beyond what may be had."""
    reason = "INVALID_SCOPE" if field == "scopes" else "INVALID_AUDIENCE"
    return Refusal(reason, "what is asked for is not within the grant or the client's policy", field)


class Clients:
    """All clients by their ids. Until one is registered, whoever names itself is one that may do everything."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._is_strict = False

    def register(self, client: Client) -> None:
        """Add a client; from now on others are unknown."""
        self._is_strict = True
        self._clients[client.client_id] = client

    def remove(self, client_id: str) -> None:
        """Delete a client, which is unknown from now on."""
        self._is_strict = True
        del self._clients[client_id]

    def find(self, client_id: str) -> Client | None:
        """The client with this id; None if there is none."""
        if client_id and not self._is_strict and client_id not in self._clients:
            self._clients[client_id] = open_client(client_id)
        return self._clients.get(client_id)

    def sorted(self) -> list[Client]:
        """All clients in the order of their ids."""
        return [self._clients[client_id] for client_id in sorted(self._clients)]

    def caller(self, authorization: str, now: int) -> Client:
        """The client that the metadata entry `authorization` names and proves; refuses with CALLER_UNAUTHENTICATED."""
        scheme, _, credentials = authorization.partition(" ")
        try:
            client_id, secret = _basic(credentials) if scheme.lower() == "basic" else (_asserted(credentials), None)
        except (ValueError, jwt.InvalidTokenError):
            raise _unauthenticated() from None
        client = self.find(client_id)
        if client is None or client.message.disabled or client.message.type == pb.CLIENT_TYPE_PUBLIC:
            raise _unauthenticated()
        if secret is not None and not client.is_proven_by(secret, now):
            raise _unauthenticated()
        return client


def open_client(client_id: str) -> Client:
    """A client that may do everything."""
    message = pb.Client(
        client_id=client_id,
        type=pb.CLIENT_TYPE_CONFIDENTIAL,
        permissions=EVERY_PERMISSION,
        acts_for=[EVERY_CLIENT],
        auth_method=pb.CLIENT_AUTH_METHOD_SECRET,
    )
    return Client(message, is_open=True)


def _basic(credentials: str) -> tuple[str, str]:
    pair = binascii.a2b_base64(credentials, strict_mode=True).decode()
    client_id, _, secret = pair.rpartition(":")  # a client_id may contain a colon, a secret never does
    return unquote(client_id), unquote(secret)


def _asserted(assertion: str) -> str:
    """The client that an assertion names (RFC 7523, 3)."""
    return str(jwt.decode(assertion, options={"verify_signature": False}).get("sub", ""))


def _unauthenticated() -> Refusal:
    return Refusal("CALLER_UNAUTHENTICATED", "the caller is not authenticated")
