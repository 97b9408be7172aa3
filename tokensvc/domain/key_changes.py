"""Owns what may become of the service's keys: the next one, the end of one, and what time does to all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count, pairwise
from typing import Final

from tokensvc.domain.effects import AuditEvent, Effects, Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.keys import KeyPurpose, StoredKey, of_purpose, used_at
from tokensvc.domain.policy import HOUR, MAX_ACCESS_TTL, MAX_REFRESH_TTL
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.value import value

_LONGEST_LIVES: Final = {
    KeyPurpose.SIGNING: MAX_ACCESS_TTL,
    KeyPurpose.REFRESH_MAC: MAX_REFRESH_TTL,
    KeyPurpose.SESSION_MAC: MAX_REFRESH_TTL,
}
_GRACE: Final = 2 * HOUR  # clocks differ, and a token is not refused in its last second

NO_SUCH_KEY: Final = Refused(Reason.KEY_NOT_FOUND, "there is no key with this key_id and purpose", "key_id")


@value(frozen=True, slots=True)
class Rotation:
    """A key for what begins from `new.activates_at` on, wanted at `now` by `caller`, the client that called."""

    new: StoredKey
    now: int
    caller: str


def rotate(rotation: Rotation, keys: Sequence[StoredKey]) -> Effects[StoredKey | None]:
    """Add the new key and answer it; None if it has the name of another.

    Where one of the same algorithm is prepared already it is that one, at once if the new one would have been; one of
    another algorithm is given up.
    """
    new, now = rotation.new, rotation.now
    given_up: tuple[StoredKey, ...] = ()
    prepared = next((key for key in of_purpose(keys, new.purpose) if key.activates_at > now and key.wrapped), None)
    if prepared is not None and prepared.algorithm == new.algorithm:
        if prepared.activates_at <= new.activates_at:
            return Effects(prepared)
        new = replace(prepared, activates_at=new.activates_at)
    elif _is_taken(new, keys):
        return Effects(None)
    elif prepared is not None:
        given_up = (prepared.retired(now),)
    new = _in_order(new, keys)
    event = _event("key.rotated", new, now, rotation.caller)
    return Effects(new, keys=(*given_up, new), log=(_told(now),), audit=(event,))


def revoke(
    key_id: str, successor: Rotation, reason: str, keys: Sequence[StoredKey]
) -> Effects[StoredKey | Refused | None]:
    """End a key of the successor's purpose at once, and answer it; the successor takes over if it was the one in use.

    None if the successor has the name of another key: then nothing has ended.
    """
    now, purpose = successor.now, successor.new.purpose
    key = next((key for key in keys if (key.purpose, key.key_id) == (purpose, key_id)), None)
    if key is None:
        return Effects(NO_SUCH_KEY)
    changed: tuple[StoredKey, ...] = (key.retired(now),)
    ordered = of_purpose(keys, purpose)
    others = [other for other in ordered if other != key]
    if used_at(ordered, now) == key or used_at(others, now) is None:
        prepared = next((other for other in others if other.activates_at > now and other.wrapped), None)
        if prepared is None and _is_taken(successor.new, keys):
            return Effects(None)
        changed += (_in_order(replace(prepared or successor.new, activates_at=now, retires_at=None), keys),)
    event = _event("key.revoked", key, now, successor.caller, reason)
    return Effects(changed[0], keys=changed, log=(_told(now),), audit=(event,))


def settle(keys: Sequence[StoredKey], now: int) -> Effects[None]:
    """Note until when those that others have taken over from verify, and end those whose time is over.

    They verify until the longest that anybody may have been given under them is over. The one in use has no end: it may
    have had one, if the one that took over from it has been revoked.
    """
    changed = []
    for purpose, longest in _LONGEST_LIVES.items():
        ordered = of_purpose(keys, purpose)
        in_use = used_at(ordered, now)
        ends = {key: successor.activates_at + longest + _GRACE for key, successor in pairwise(ordered)}
        for key in ordered:
            if not key.wrapped:
                continue
            is_before = in_use is not None and key.activates_at < in_use.activates_at
            settled = replace(key, retires_at=ends[key] if is_before else None)
            if settled.is_retired(now):
                settled = settled.retired(now)
            if settled != key:
                changed.append(settled)
    if not changed:
        return Effects(None)
    events = tuple(_event("key.retired", key, now, "") for key in changed if not key.wrapped)
    return Effects(None, keys=tuple(changed), log=(_told(now),), audit=events)


def rewrap(anew: Mapping[StoredKey, StoredKey], keys: Sequence[StoredKey], now: int) -> Effects[int]:
    """Write those of the keys that were wrapped anew and are still as they were; answer how many."""
    changed = tuple(anew[key] for key in keys if key in anew)
    if not changed:
        return Effects(0)
    events = tuple(_event("key.rewrapped", key, now, "") for key in changed)
    return Effects(len(changed), keys=changed, log=(_told(now),), audit=events)


def is_due(keys: Sequence[StoredKey], purpose: KeyPurpose, now: int, interval: int, lead: int) -> bool:
    """Whether the next key of `purpose` is to be prepared, so that no key is used for longer than `interval`."""
    alive = [key for key in of_purpose(keys, purpose) if key.wrapped]
    return not alive or alive[-1].activates_at + max(interval - lead, 0) <= now


def _is_taken(new: StoredKey, keys: Sequence[StoredKey]) -> bool:
    """Whether another key that is alive has the name of the new one."""
    return any((key.purpose, key.key_id) == (new.purpose, new.key_id) and key.wrapped for key in keys)


def _in_order(new: StoredKey, keys: Sequence[StoredKey]) -> StoredKey:
    """The new key, used from a moment that is no other's of its purpose: which one follows which must be plain."""
    taken = {key.activates_at for key in keys if key.purpose is new.purpose and key.key_id != new.key_id}
    return replace(new, activates_at=next(moment for moment in count(new.activates_at) if moment not in taken))


def _told(now: int) -> LogEntry:
    return LogEntry(EntryKind.KEYS_CHANGED, "", at=now, expires_at=now + MAX_ACCESS_TTL)


def _event(kind: str, key: StoredKey, now: int, caller: str, reason: str = "") -> AuditEvent:
    details: dict[str, str | int] = {"purpose": key.purpose.value, "key_id": key.key_id, "algorithm": key.algorithm}
    return AuditEvent(kind, now, caller=caller, reason=reason, details=details)
