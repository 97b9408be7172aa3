"""Owns the in-memory picture of the revocation log, of clients and keys, from which introspection answers."""

import heapq
from collections.abc import Sequence

from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.client import Client
from tokensvc.domain.client_directory import ClientDirectory
from tokensvc.domain.delegation import Origin
from tokensvc.domain.keys import StoredKey
from tokensvc.domain.revocation import BARRIERS, NEVER, Barrier, BarrierKey, EntryKind, LogEntry, barrier_keys
from tokensvc.domain.session import Grant

# Expired entries are kept this much longer: a clock that is set back must not revive what they ended.
GRACE = 2 * 60 * 60 * 1000

_NO_BARRIER = Barrier()


class View:
    """Every unexpired entry of the log up to `revision`, and every client and key as it was then."""

    def __init__(self) -> None:
        self.revision = 0
        self.clients: dict[str, Client] = {}
        self.keys: Sequence[StoredKey] = ()
        self.flags: dict[str, int] = {}  # subjects at risk, and until when
        self.flag_expiries: dict[str, int] = {}  # subjects marked or unmarked, and until when the log has to say so
        self._directory = ClientDirectory(self.clients)
        self._ended_tokens: set[str] = set()
        self._ended_sessions: set[str] = set()
        self._barriers: dict[BarrierKey, Barrier] = {}
        self._expiries: list[tuple[int, EntryKind, str]] = []
        self._barrier_expiries: dict[BarrierKey, int] = {}

    @property
    def directory(self) -> ClientDirectory:
        """The clients, by what they are recognised by; made when it is asked for, and a client has changed."""
        if self._directory.clients is not self.clients:
            self._directory = ClientDirectory(self.clients)
        return self._directory

    @property
    def size(self) -> int:
        """How many tokens, sessions and barriers it holds."""
        return len(self._ended_tokens) + len(self._ended_sessions) + len(self._barriers)

    def apply(self, entry: LogEntry) -> None:
        """Take in the next entry of the log."""
        self.revision = entry.revision
        match entry.kind:
            case EntryKind.TOKEN:
                self._ended_tokens.add(entry.key)
            case EntryKind.SESSION:
                self._ended_sessions.add(entry.key)
            case EntryKind.CLIENT_CHANGED | EntryKind.KEYS_CHANGED:
                return
            case EntryKind.SUBJECT_FLAGGED | EntryKind.SUBJECT_UNFLAGGED:
                self._flag(entry)
                return
            case _:
                key = (entry.kind, entry.key)
                self._barriers[key] = self._barriers.get(key, _NO_BARRIER).raised_by(entry)
                self._barrier_expiries[key] = max(entry.expires_at, self._barrier_expiries.get(key, 0))
        heapq.heappush(self._expiries, (entry.expires_at, entry.kind, entry.key))

    def _flag(self, entry: LogEntry) -> None:
        subject = entry.key
        self.flag_expiries[subject] = max(entry.expires_at, self.flag_expiries.get(subject, 0))
        if entry.kind is EntryKind.SUBJECT_FLAGGED:
            self.flags[subject] = entry.issued_before or NEVER
        else:
            self.flags.pop(subject, None)

    def forget(self, now: int) -> None:
        """Drop what can concern no living token any more."""
        for subject in [subject for subject, expires_at in self.flag_expiries.items() if expires_at + GRACE < now]:
            del self.flag_expiries[subject]
            self.flags.pop(subject, None)
        while self._expiries and self._expiries[0][0] + GRACE < now:
            _, kind, key = heapq.heappop(self._expiries)
            if kind in BARRIERS:
                if self._barrier_expiries.get((kind, key), now) + GRACE < now:
                    del self._barriers[kind, key], self._barrier_expiries[kind, key]
            else:
                (self._ended_tokens if kind is EntryKind.TOKEN else self._ended_sessions).discard(key)

    def beginning(self, subject: str, client_id: str, device_id: str, now: int) -> int:
        """When a session of these begins that begins now: never before the moment of a barrier that concerns it.

        Such a moment had come where the barrier was raised, before this view could see it: if it lies ahead of `now`, a
        clock is wrong, and a login that follows the barrier must not be taken for one that it ends.
        """
        keys = barrier_keys(subject, client_id, device_id)
        return max((now, *(self._barriers[key].issued_before for key in keys if key in self._barriers)))

    def has_revoked(self, token: AccessToken) -> bool:
        """Whether an entry ends `token`, itself or with its session; a traded one, with any that it was made from."""
        if token.delegation is not None:
            return any(map(self._is_over, token.delegation.origins))
        return token.token_id in self._ended_tokens or self.has_ended(token)

    def _is_over(self, origin: Origin) -> bool:
        client = self.clients.get(origin.client_id)
        if client is None or client.disabled:
            return True
        return origin.token_id in self._ended_tokens or self.has_ended(origin)

    def has_ended(self, origin: Grant | AccessToken | Origin) -> bool:
        """Whether an entry ends the session of `origin`, itself or through its subject, client or device."""
        if origin.session_id in self._ended_sessions:
            return True
        return bool(self._barriers) and any(
            barrier.covers(origin.started_at, origin.started_revision)
            for key in barrier_keys(origin.subject, origin.client_id, origin.device_id)
            if (barrier := self._barriers.get(key)) is not None
        )
