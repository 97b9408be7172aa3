"""Owns the public keys of the service: which are known, how long they serve, and when they have to be fetched anew."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from tokensvc_client.values.keys import Jwks
from tokensvc_client.verification.errors import UnverifiableError
from tokensvc_client.verification.json_object import read_object
from tokensvc_client.verification.jwk import JwkError, PublicKey, read_key

_MAX_SET: Final = 65_536  # bytes
_RETRY: Final = 1.0  # seconds between attempts of which the first has failed, or said that it is old at once
_SOON: Final = 5.0  # seconds after which keys that have changed are fetched once more: another node may be behind


class JwksUnavailableError(Exception):
    """The keys could not be fetched, or make no sense."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Seconds: between two fetches because of unknown keys, and how long known ones serve while no fetch succeeds.

    `cooldown` is one at least. Known keys serve `outage` longer than GetJwks says, but only `after_change` once the
    feed has told that they have changed.
    """

    cooldown: float = 5.0
    outage: float = 3600.0
    after_change: float = 10.0

    def __post_init__(self) -> None:
        if self.cooldown < _RETRY:  # with none, a token that names an unknown key would be looked for without an end
            raise ValueError("cooldown: at least a second")


class Fetch(Enum):
    """Whether the keys have to be fetched: not now, beside the work, or before a token is verified."""

    NOT = auto()
    BESIDE = auto()
    FIRST = auto()


class Keys:
    """The keys that are known. Moments are those of the clock `elapsed`; `changes` count what the feed has told."""

    def __init__(self, limits: KeyLimits) -> None:
        self._limits = limits
        self._keys: Mapping[str, PublicKey] = {}
        self._changes = 0
        self._fetched_at = self._failed_at = self._due_at = self._serve_until = -math.inf
        self.attempts = 0
        """How often they were fetched, or tried to: who has waited for another's attempt need not try."""

    def get(self, key_id: object) -> PublicKey | None:
        """The key of this name."""
        return self._keys.get(key_id) if isinstance(key_id, str) else None

    def has(self, key: PublicKey) -> bool:
        """Whether this key, and no other one of its name, is known now."""
        return self._keys.get(key.key_id) is key

    def fetch(self, now: float, changes: int) -> Fetch:
        """What is due; fails with UnverifiableError if the known ones must not serve, and to try again is too early."""
        if now < self._due_at and changes == self._changes:
            return Fetch.NOT
        if changes != self._changes:
            self._serve_until = min(self._serve_until, now + self._limits.after_change)
        if now - self._failed_at < _RETRY:
            if now < self._serve_until:
                return Fetch.NOT
            raise UnverifiableError("the public keys cannot be fetched")
        return Fetch.BESIDE if changes == self._changes and now < self._serve_until else Fetch.FIRST

    def may_be_newer(self, now: float) -> bool:
        """Whether an unknown key is worth a fetch; fails with UnverifiableError if the last one has just failed."""
        if now - self._failed_at < _RETRY:
            raise UnverifiableError("the public keys cannot be fetched")
        return now - self._fetched_at >= self._limits.cooldown

    def take(self, jwks: Jwks, now: float, changes: int) -> None:
        """Know what was fetched; it was asked for `now`, after so many `changes`. Fails with JwksUnavailableError."""
        keys = {key.key_id: self._known(key) for key in _read_set(jwks.jwks)}
        is_change = changes != self._changes and self._changes
        max_age = jwks.max_age.total_seconds()
        self._keys = keys  # before it is said how new they are
        self._fetched_at, self._serve_until = now, now + max_age + self._limits.outage
        self._due_at = now + min(max(max_age / 2, _RETRY), _SOON if is_change else math.inf)
        self._changes = changes
        self.attempts += 1

    def failed(self, now: float) -> None:
        """No keys came."""
        self._failed_at = now
        self.attempts += 1

    def _known(self, key: PublicKey) -> PublicKey:
        """The same object as long as the key is the same: what it has verified need not be verified again."""
        known = self._keys.get(key.key_id)
        is_same = known and (known.thumbprint, known.algorithms) == (key.thumbprint, key.algorithms)
        return known if known is not None and is_same else key


def _read_set(text: str) -> list[PublicKey]:
    """The keys of a set that are of a kind that is known here, each with a name and one algorithm."""
    data = text.encode("utf-8", "surrogatepass")
    found = read_object(data) if len(data) <= _MAX_SET else None
    members = found.get("keys") if found is not None else None
    if not isinstance(members, list):
        raise JwksUnavailableError("GetJwks has not answered a JWK Set")
    keys = []
    for member in members:
        try:
            key = read_key(member)
        except JwkError:
            continue  # RFC 7517, 5: what is not understood is left out
        if key.key_id and len(key.algorithms) == 1:
            keys.append(key)
    if not keys:
        raise JwksUnavailableError("GetJwks has answered no key that is known here")
    return keys
