"""Owns the chain of the audit events of one store: each event's hash covers the one before, its place and its words."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import BigInteger, Row, bindparam, insert, update

from tokensvc.domain.effects import AuditEvent
from tokensvc.store import schema
from tokensvc.store.dialects import Dialect, digest_text
from tokensvc.store.exchanges import Exchanges
from tokensvc.store.prepared import Prepared
from tokensvc.store.rows import audit_row

_CHAINS = schema.audit_chains
_DIGEST_BYTES = 32
_CONTENT = schema.audit_events.columns.keys().index("chain")  # how many columns a hash covers


def link(before: str, chain: int, position: int, row: Sequence[Any]) -> str:
    """The hash of an event in base64url: SHA-256 over the hash of the one before, as text, and a JSON array.

    The array has the chain, the position in it, and `row`: the columns of the table before these two, in their order,
    the first two of which are numbers and the others texts. It has no spaces, and escapes no more than it must.
    """
    return digest_text(hashlib.sha256(before.encode() + orjson.dumps([chain, position, *row])).digest())


def follows(row: Row[Any], before: str) -> bool:
    """Whether the event in `row`, all columns of it, was written at its place behind the one with the hash `before`."""
    try:
        return bool(link(before, row.chain, row.position, row[:_CONTENT]) == row.hash)
    except (AttributeError, TypeError):  # SQLite takes any value in any column
        return False


@dataclass(frozen=True, slots=True)
class _End:
    """Where a chain ends."""

    chain: int
    position: int
    hash: str


class AuditWriter:
    """Appends events to a chain of its own. Batches come one after the other; the next may begin when one has ended.

    A chain goes on only from where the database has it. After a commit of which nobody knows whether it counts, or
    after a database has lost some, the writer begins another one.
    """

    def __init__(self, dialect: Dialect, *, addresses: bool) -> None:
        """Without `addresses` no event keeps where somebody was."""
        self._dialect = dialect
        self._keeps_addresses = addresses
        self._end: _End | None = None  # as the last commit that is known has left it
        self._written: _End | None = None  # as the batch will leave it
        count = bindparam("count", type_=BigInteger)
        draw = dialect.draw(schema.audit_events, count).label("numbers")
        self._continue = Prepared(
            dialect,
            update(_CHAINS)
            .where(_CHAINS.c.chain == bindparam("own"), _CHAINS.c.head_position == bindparam("known"))
            .values(
                head_position=bindparam("known") + count,
                head_at=bindparam("at"),
                sealed_position=bindparam("known"),
                sealed_hash=bindparam("known_hash", type_=_CHAINS.c.sealed_hash.type),
            )
            .returning(draw),
        )
        base = bindparam("base", type_=_CHAINS.c.base_hash.type)
        self._begin = Prepared(
            dialect,
            insert(_CHAINS)
            .values(base_position=0, base_hash=base, sealed_position=0, sealed_hash=base)
            .values(head_position=count, head_at=bindparam("at"))
            .returning(_CHAINS.c.chain, draw),
        )

    def write(self, exchanges: Exchanges, events: Sequence[AuditEvent]) -> None:
        """Append `events`, at the latest when the last of `exchanges` is made."""
        self._written = self._end
        if not events:
            return
        end, numbers = self._places(exchanges, len(events), events[-1].at)
        rows, position, digest = [], end.position, end.hash
        for sequence, event in zip(numbers, events, strict=True):
            position += 1
            row = (sequence, *audit_row(event if self._keeps_addresses else event.without_addresses()))
            digest = link(digest, end.chain, position, row)
            rows.append((*row, end.chain, position, digest))
        exchanges.hold(self._dialect.inserting(schema.audit_events, rows))
        self._written = _End(end.chain, position, digest)

    def has_committed(self) -> None:
        """Go on behind what the last `write` has written."""
        self._end = self._written

    def _places(self, exchanges: Exchanges, count: int, at: int) -> tuple[_End, Sequence[int]]:
        """The end to go on from, and the numbers of the events that follow it."""
        if end := self._end:
            for (numbers,) in exchanges.ask(
                self._continue, own=end.chain, known=end.position, known_hash=end.hash, at=at, count=count
            ):
                return end, self._dialect.drawn(numbers, count)
        base = digest_text(secrets.token_bytes(_DIGEST_BYTES))
        ((chain, numbers),) = exchanges.ask(self._begin, base=base, at=at, count=count)
        return _End(chain, 0, base), self._dialect.drawn(numbers, count)
