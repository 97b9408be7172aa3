"""Owns what the calls about tokens take and answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tokensvc_client.values.plain import Enumeration


class TokenUse(Enumeration):
    """What a token is for; UNSPECIFIED for one that is not active."""

    UNSPECIFIED = 0
    ACCESS = 1
    REFRESH = 2


@dataclass(frozen=True, slots=True)
class Device:
    """The device that a session lives on: its stable `id`, what people call it, and for example "ios"."""

    id: str = ""
    name: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class ClientContext:
    """From where the end user's request came, as this program vouches for it. `location` is for people to read."""

    ip: str = ""
    user_agent: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The key that a token is bound to (RFC 7800), as a SHA-256 thumbprint in base64url; one of the two is set.

    `jkt` is of a DPoP key (RFC 9449, 6.1), `x5t_s256` of a TLS client certificate (RFC 8705, 3.1).
    """

    jkt: str = ""
    x5t_s256: str = ""


@dataclass(frozen=True, slots=True)
class DpopProof:
    """The DPoP header of a request, and that request's `method` and absolute `uri` for its sender (RFC 9449, 4)."""

    proof: str = field(repr=False)
    method: str = ""
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a session (RFC 6749, 5.1), as Issue and Refresh answer them.

    `refresh_token` is empty for access_only, and replaces the one that was presented. `expires_in` and
    `refresh_expires_in` count from now, the latter if it is not used. `revision` is what of the revocation log the
    answer is based on.
    """

    access_token: str = field(repr=False)
    token_type: str
    expires_in: timedelta
    refresh_token: str = field(repr=False)
    refresh_expires_in: timedelta
    scopes: tuple[str, ...]
    session_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class ExchangedToken:
    """The traded token (RFC 8693, 2.2.1). It ends with `session_id`, the session of the token that was traded."""

    access_token: str = field(repr=False)
    token_type: str
    expires_in: timedelta
    scopes: tuple[str, ...]
    session_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class Introspection:
    """What a token says (RFC 7662, 2.2). It is true where the token is active; of another one nothing else is said.

    `token_id` (the claim jti), `token_type` and `claims` are of access tokens only. `actor` acts on the subject's
    behalf (RFC 8693, 4.1). `revision` is what of the revocation log the answer is based on, zero where it is not
    active.
    """

    active: bool
    scopes: tuple[str, ...] = ()
    client_id: str = ""
    subject: str = ""
    audiences: tuple[str, ...] = ()
    issuer: str = ""
    token_id: str = ""
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    not_before: datetime | None = None
    token_type: str = ""
    token_use: TokenUse = TokenUse.UNSPECIFIED
    session_id: str = ""
    device_id: str = ""
    confirmation: Confirmation | None = None
    actor: Mapping[str, Any] | None = None
    auth_time: datetime | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0

    def __bool__(self) -> bool:
        return self.active


@dataclass(frozen=True, slots=True)
class BatchIntrospection:
    """What several tokens say, in their order, all at one `revision` of the revocation log."""

    results: tuple[Introspection, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """What was asked for is durable. Pass `revision` as `min_revision` to demand that a reader has seen it."""

    revision: int


@dataclass(frozen=True, slots=True)
class DeviceTarget:
    """A device of a subject."""

    subject: str
    device_id: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """One entry of the revocation log. What was ended is one of the five that may be None.

    A subject, device or client: what has a claim `orig_iat` before `issued_before`; where that is None, a claim `rev`
    below `revision`. After `expires_at` every access token that it can concern has expired.
    """

    revision: int
    token_id: str | None
    session_id: str | None
    subject: str | None
    device: DeviceTarget | None
    client_id: str | None
    issued_before: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class RevocationStep:
    """What became known at one moment: nothing (a heartbeat), some revocations, or a part of the snapshot.

    Everything up to `revision` has been sent now; it is zero while more of the snapshot is to come. What was revoked
    before `looked_at`, by the service's clock, is known. After `keys_changed` get the JWKS before the next token is
    verified.
    """

    revocations: tuple[Revocation, ...]
    revision: int
    looked_at: datetime | None
    keys_changed: bool
