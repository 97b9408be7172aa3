"""Owns the life of the service's keys: which of them is used when. Private parts are wrapped before they come here.

A key's state is not stored: it follows from when the key is used from, and until when it verifies. So no node has to be
told that a moment has come, and all of them agree as far as their clocks do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from enum import StrEnum

from tokensvc.domain.value import value


class RootKeyError(Exception):
    """A root key cannot be used, or does not open a stored key; the message says what to do."""


class KeyPurpose(StrEnum):
    """What a key does: it signs access tokens, seals the refresh tokens of sessions that there are, or makes sessions.

    A session is made with a key where no row tells of it (a stateless token), and where an Issue may be repeated (its
    handle follows from the idempotency key). Who seals cannot make what is sealed: so these are two purposes.
    """

    SIGNING = "signing"
    REFRESH_MAC = "refresh_mac"
    SESSION_MAC = "session_mac"


class KeyState(StrEnum):
    """Where a key is in its life."""

    PREPARED = "prepared"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


@value(frozen=True, slots=True)
class StoredKey:
    """A row of the key table. `key_id` is the JWT header kid, or a number that refresh tokens name.

    It is used for what begins at or after `activates_at`, until another one is; it verifies until `retires_at`, without
    end while that is None. Times are in milliseconds.
    """

    key_id: str
    purpose: KeyPurpose
    algorithm: str
    created_at: int
    activates_at: int
    wrapped: bytes = field(repr=False)
    public_jwk: str = ""
    retires_at: int | None = None

    def is_retired(self, now: int) -> bool:
        """Whether it verifies nothing any more: its time is over, or, whatever a clock says, its private part gone."""
        return not self.wrapped or (self.retires_at is not None and self.retires_at <= now)

    @property
    def was_given_up(self) -> bool:
        """Whether it ended before its time came."""
        return self.retires_at is not None and self.retires_at <= self.activates_at

    def retired(self, now: int) -> "StoredKey":
        """The same key at its end, without its private part: what is gone cannot be stolen."""
        return replace(self, retires_at=now if self.retires_at is None else min(now, self.retires_at), wrapped=b"")


def of_purpose(keys: Iterable[StoredKey], purpose: KeyPurpose) -> list[StoredKey]:
    """The keys of `purpose` in the order in which they are used, without those that ended before they were."""
    found = [key for key in keys if key.purpose is purpose and not key.was_given_up]
    return sorted(found, key=lambda key: (key.activates_at, key.created_at, key.key_id))


def used_at(ordered: Sequence[StoredKey], moment: int) -> StoredKey | None:
    """Of the keys of one purpose, in their order, the one for what begins at `moment`."""
    usable = [key for key in ordered if key.activates_at <= moment and not key.is_retired(moment)]
    return usable[-1] if usable else None


def state_of(key: StoredKey, keys: Iterable[StoredKey], now: int) -> KeyState:
    """Where `key`, one of `keys`, is in its life."""
    if key.is_retired(now):
        return KeyState.RETIRED
    if key.activates_at > now:
        return KeyState.PREPARED
    return KeyState.ACTIVE if used_at(of_purpose(keys, key.purpose), now) == key else KeyState.RETIRING
