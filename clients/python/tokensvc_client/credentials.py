"""Owns what a program shows of itself with a call: a secret, a signed assertion, or what a function answers."""

import base64
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

_EARLY: Final = 30.0  # seconds before its end that an assertion is replaced: clocks differ, calls take time


class Credentials(Protocol):
    """What to send in the metadata entry `authorization`."""

    def authorization(self) -> str:
        """The value for a call that is about to be made, by any thread; with an empty one nothing is sent."""

    def renewed(self, refused: str) -> bool:
        """Whether another try is worth it, now that the service has not accepted the value `refused`."""


@dataclass(frozen=True)
class Secret:
    """Credentials of a client with a secret (client_secret_basic: RFC 6749, 2.3.1)."""

    client_id: str
    client_secret: str = field(repr=False)

    def authorization(self) -> str:
        """The same for every call. Both parts are form-encoded."""
        pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def renewed(self, refused: str) -> bool:  # noqa: ARG002 - the protocol's
        """There is no other."""
        return False


@dataclass(frozen=True)
class Supplied:
    """Credentials that a function answers before each call, such as the content of a file that others renew.

    It answers the whole value, for example "Basic ...", and must not wait long: calls wait for it.
    """

    supply: Callable[[], str] = field(repr=False)

    def authorization(self) -> str:
        """What the function answers now."""
        return self.supply()

    def renewed(self, refused: str) -> bool:
        """Whether the function answers something else by now."""
        return self.supply() != refused


class Assertion:
    """Credentials of a client with a key: it signs short-lived assertions (private_key_jwt: RFC 7523, 3).

    The service takes an assertion once, and then from the same connection until it expires. So one is kept for a while,
    and replaced before its end, or when it was refused because the connection is another one. Where calls spread over
    several connections (round robin, a proxy) say `for_each_call`: each call then brings one of its own.
    """

    def __init__(
        self,
        client_id: str,
        private_key: str | bytes | Mapping[str, Any],
        *,
        issuer: str,
        algorithm: str = "ES256",
        key_id: str = "",
        lifetime: timedelta = timedelta(minutes=5),
        for_each_call: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`private_key` is PEM, or a JWK as a mapping or JSON; `issuer` is the service's issuer identifier.

        `key_id` names the key where the client has registered several; of a JWK its `kid` is taken. `lifetime` is 10
        minutes at most. `clock` answers seconds since the epoch. Fails with ValueError for a key that cannot be read.
        """
        if not timedelta(seconds=2 * _EARLY) <= lifetime <= timedelta(minutes=10):
            raise ValueError("lifetime: from 1 to 10 minutes")
        self.client_id = client_id
        self._issuer = issuer
        self._algorithm = algorithm
        self._key, named = _private_key(private_key, algorithm)
        self._headers = {"kid": key_id or named} if key_id or named else {}
        self._lifetime = lifetime.total_seconds()
        self._for_each_call = for_each_call
        self._clock = clock
        self._kept, self._replaced_at = "", 0.0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Assertion({self.client_id!r})"

    def authorization(self) -> str:
        """The assertion that is kept, or another one when its time is over."""
        if self._for_each_call:
            return self._signed(self._clock())
        with self._lock:
            now = self._clock()
            if now >= self._replaced_at or not self._kept:
                self._kept, self._replaced_at = self._signed(now), now + self._lifetime - _EARLY
            return self._kept

    def renewed(self, refused: str) -> bool:
        """Always, unless it was made for that call: the one that is kept is replaced, once for all who were refused."""
        with self._lock:
            if self._kept == refused:
                self._kept = ""
        return not self._for_each_call

    def _signed(self, now: float) -> str:
        issued_at = int(now)
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self._issuer,
            "iat": issued_at,
            "exp": issued_at + int(self._lifetime),
            "jti": str(uuid.uuid4()),
        }
        return f"Bearer {jwt.encode(claims, self._key, algorithm=self._algorithm, headers=self._headers)}"


def _private_key(key: str | bytes | Mapping[str, Any], algorithm: str) -> tuple[Any, str]:
    """The key, read once because that takes long, and the name that it has of itself."""
    text = key.decode() if isinstance(key, bytes) else key
    try:
        if isinstance(text, str) and not text.lstrip().startswith("{"):
            read, key_id = jwt.get_algorithm_by_name(algorithm).prepare_key(text), ""
        else:
            jwk = json.loads(text) if isinstance(text, str) else dict(text)
            read, key_id = jwt.PyJWK(jwk, algorithm).key, jwk.get("kid", "")
    except (ValueError, TypeError, jwt.PyJWTError, UnsupportedAlgorithm):
        read, key_id = None, ""
    if not hasattr(read, "sign"):
        raise ValueError(f"private_key: neither PEM nor a JWK of a private key for {algorithm}")
    return read, key_id
