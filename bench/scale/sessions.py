"""Owns the sessions of a filled database: made by SQL from their numbers, their refresh tokens by this process."""

import hashlib
import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import asyncpg
from tokensvc_pb.v1 import token_service_pb2 as pb

from bench.cases import SERVICE, Server, Traffic
from bench.server import AUDIENCE, SCOPES, USER_CLIENT
from tokensvc.app import system_clock
from tokensvc.crypto.key_ring import MacKey
from tokensvc.domain.policy import DAY, TokenPolicy
from tokensvc.domain.refresh_token import HANDLE_BYTES, RefreshToken, encode

_SEED: Final = "bench"  # followed by the session's number it hashes to the session's handle
_GENERATIONS: Final = 97  # a session's generation is its number modulo this
_SESSIONS_PER_SUBJECT: Final = 2.5
_CHUNK: Final = 100_000
_A_SECOND: Final = 4_000  # more distinct sessions than a server refreshes in a second

# Numbers follow time, as rows do that were inserted when their sessions began; session ids are hashes, in no order.
_INSERT: Final = """
INSERT INTO sessions (
    started_at, rotated_at, used_at, expires_at, started_revision, idle_ttl, revoked_at, generation, retry_window,
    access_ttl, session_id, subject, client_id, device_id, revoke_reason, scopes, audiences, details)
SELECT started_at, used_at, used_at, started_at + $8::bigint, 0, $9::bigint, NULL, number % $10::int, $11::int,
    $12::int, encode(substring(sha256(handle), 1, 16), 'hex')::uuid,
    'user-' || 1000000 + floor(random() * $7::bigint)::bigint, $14, substr(md5(number::text), 1, 16), '', $15, $16, ''
FROM (
    SELECT number, handle, started_at,
        $6::bigint - floor(random() * least($6::bigint - started_at, $9::bigint * 0.95))::bigint AS used_at
    FROM (
        SELECT number, substring(sha256(convert_to($3::text || number, 'UTF8')), 1, $13::int) AS handle,
            $4::bigint + ($6::bigint - $4::bigint) * number / $5::bigint AS started_at
        FROM generate_series($1::bigint, $2::bigint - 1) AS number
    ) AS numbered
) AS used
"""


@dataclass(frozen=True, slots=True)
class Fill:
    """So many sessions that began evenly over the `span` days before `until` (milliseconds)."""

    count: int
    until: int
    span: int
    seed: str = _SEED

    async def write(self, url: str) -> None:
        """Insert them, the oldest first, with all indexes in place: they shall grow as they do in service."""
        connection = await asyncpg.connect(url)
        try:
            for first in range(0, self.count, _CHUNK):
                await connection.execute(_INSERT, *self._values(first))
        finally:
            await connection.close()

    def _values(self, first: int) -> Sequence[int | str]:
        policy = TokenPolicy()
        return (
            first,
            min(first + _CHUNK, self.count),
            self.seed,
            self.until - self.span * DAY,
            self.count,
            self.until,
            max(1, int(self.count / _SESSIONS_PER_SUBJECT)),
            policy.refresh_absolute_ttl,
            policy.refresh_idle_ttl,
            _GENERATIONS,
            policy.retry_window,
            policy.access_ttl,
            HANDLE_BYTES,
            USER_CLIENT,
            " ".join(SCOPES),
            AUDIENCE,
        )


def living(count: int) -> Fill:
    """Sessions of the last 90 days, all of them still good."""
    return Fill(count, system_clock(), 89)


def expired(count: int) -> Fill:
    """Sessions that expired between one and three months ago."""
    return Fill(count, system_clock() - 120 * DAY, 60, seed="expired")


class Population:
    """The living sessions of a filled database, of which random ones are used."""

    def __init__(self, size: int, mac: MacKey) -> None:
        self._size = size
        self._mac = mac
        self._newest: dict[int, str] = {}

    def refresh(self, _server: Server, _in_flight: int, seconds: float) -> Traffic:
        """Refresh tokens of sessions from the whole table, each once if there are enough."""
        return refreshing(self._newest, self._sample(seconds))

    def introspect_refresh(self, _server: Server, _in_flight: int, seconds: float) -> Traffic:
        """Introspect refresh tokens of sessions from the whole table."""
        tokens = cycle([self._newest[number] for number in self._sample(seconds)])
        return Traffic(
            SERVICE + "Introspect", lambda _slot: pb.IntrospectRequest(token=next(tokens)).SerializeToString()
        )

    def _sample(self, seconds: float) -> list[int]:
        numbers = random.sample(range(self._size), min(self._size, int(_A_SECOND * seconds)))
        for number in numbers:
            if number not in self._newest:
                handle = hashlib.sha256(f"{_SEED}{number}".encode()).digest()[:HANDLE_BYTES]
                self._newest[number] = encode(
                    RefreshToken(self._mac.number, handle, number % _GENERATIONS), self._mac.secret
                )
        return numbers


def refreshing(newest: dict[int, str], numbers: Iterable[int]) -> Traffic:
    """The sessions `numbers` in turn; their newest refresh tokens are taken from `newest` and put there."""
    waiting = deque(numbers)
    under_way: dict[int, int] = {}

    def request(slot: int) -> bytes:
        number = under_way[slot] = waiting.popleft()
        return pb.RefreshRequest(refresh_token=newest[number]).SerializeToString()

    def keep(slot: int, body: bytes) -> None:
        number = under_way[slot]
        newest[number] = pb.RefreshResponse.FromString(body).refresh_token
        waiting.append(number)

    return Traffic(SERVICE + "Refresh", request, keep)
