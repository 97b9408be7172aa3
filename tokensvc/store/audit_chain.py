"""Owns the chain of the audit events of one store: each event's hash covers the one before, its place and its words."""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Row, Update, bindparam, insert, update

from tokensvc.domain.effects import AuditEvent
from tokensvc.domain.value import value
from tokensvc.store import schema
from tokensvc.store.dialects import Dialect, digest_text
from tokensvc.store.exchanges import Exchanges
from tokensvc.store.prepared import Prepared
from tokensvc.store.rows import audit_row

SPARE_SECONDS: Final = 1.0
"""How long after it was drawn a batch that uses an event's number may begin: who waits at gaps reckons with it."""

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


@value(frozen=True, slots=True)
class _End:
    """Where a chain ends."""

    chain: int
    position: int
    hash: str

    def values(self, events: Sequence[AuditEvent]) -> dict[str, Any]:
        """The parameters of `going_on` for `events` behind this end."""
        last = events[-1].at
        return {"own": self.chain, "known": self.position, "known_hash": self.hash, "at": last, "count": len(events)}


@value(frozen=True, slots=True)
class Chained:
    """Events with their places: the parameters of `going_on`, and the rows to insert where that finds the end."""

    end: dict[str, Any]
    rows: list[tuple[Any, ...]]


def going_on() -> Update:
    """What moves the end of a chain on, if the database has it where it is `known` to be: see `_End.values`."""
    known = bindparam("known", type_=BigInteger)
    return (
        update(_CHAINS)
        .where(_CHAINS.c.chain == bindparam("own"), _CHAINS.c.head_position == known)
        .values(
            head_position=known + bindparam("count", type_=BigInteger),
            head_at=bindparam("at"),
            sealed_position=known,
            sealed_hash=bindparam("known_hash", type_=_CHAINS.c.sealed_hash.type),
        )
    )


class AuditWriter:
    """Appends events to a chain of its own. Batches come one after the other; the next may begin when one has ended.

    A chain goes on only from where the database has it. After a commit of which nobody knows whether it counts, or
    after a database has lost some, the writer begins another one.
    """

    def __init__(self, dialect: Dialect, *, addresses: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Without `addresses` no event keeps where somebody was."""
        self._dialect = dialect
        self._keeps_addresses = addresses
        self._end: _End | None = None  # as the last commit that is known has left it
        self._written: _End | None = None  # as the batch will leave it
        self.monotonic = monotonic
        self._spare: list[tuple[int, float]] = []  # numbers that are drawn, and until when each may be used
        count = bindparam("count", type_=BigInteger)
        draw = dialect.draw(schema.audit_events, count).label("numbers")
        self._continue = Prepared(dialect, going_on().returning(draw))
        base = bindparam("base", type_=_CHAINS.c.base_hash.type)
        self._begin = Prepared(
            dialect,
            insert(_CHAINS)
            .values(base_position=0, base_hash=base, sealed_position=0, sealed_hash=base)
            .values(head_position=count, head_at=bindparam("at"))
            .returning(_CHAINS.c.chain, draw),
        )

    @property
    def knows_end(self) -> bool:
        """Whether there is an end to go on from, as far as is known here."""
        return self._end is not None

    def write(self, exchanges: Exchanges, events: Sequence[AuditEvent]) -> None:
        """Append `events`, at the latest when the last of `exchanges` is made."""
        self._written = self._end
        self._spare = []  # those that are drawn now are higher, and along a chain the numbers go up
        if events:
            end, numbers = self._places(exchanges, events)
            exchanges.hold(self._dialect.inserting(schema.audit_events, self._linked(end, numbers, events)))

    def missing_numbers(self, count: int) -> int:
        """How many numbers have to be drawn for `count` events, beside those that were drawn before and not used.

        They would be gaps, which watchers of the trail have to wait at.
        """
        now = self.monotonic()
        self._spare = [(number, until) for number, until in self._spare if now < until]
        return max(0, count - len(self._spare))

    def keep_numbers(self, numbers: Sequence[int], drawn_at: float) -> None:
        """Use `numbers` for the next events; they were not drawn before `drawn_at`, in this process's seconds."""
        self._spare += [(number, drawn_at + SPARE_SECONDS) for number in numbers]

    def write_nothing(self) -> None:
        """The batch has no events."""
        self._written = self._end

    def behind_known_end(self, events: Sequence[AuditEvent]) -> Chained | None:
        """What is to be written where the chain still ends as it is known to; None if it is not known to.

        There must be a number for each of the `events`.
        """
        self._written = self._end
        if self._end is None:
            return None
        count = len(events)
        numbers, self._spare = [number for number, _ in self._spare[:count]], self._spare[count:]
        return Chained(self._end.values(events), self._linked(self._end, numbers, events))

    def has_committed(self) -> None:
        """Go on behind what the last batch has written."""
        self._end = self._written

    def _linked(self, end: _End, numbers: Sequence[int], events: Sequence[AuditEvent]) -> list[tuple[Any, ...]]:
        """The rows of `events`, each linked to the one before."""
        rows, position, digest = [], end.position, end.hash
        for sequence, event in zip(numbers, events, strict=True):
            position += 1
            row = (sequence, *audit_row(event if self._keeps_addresses else event.without_addresses()))
            digest = link(digest, end.chain, position, row)
            rows.append((*row, end.chain, position, digest))
        self._written = _End(end.chain, position, digest)
        return rows

    def _places(self, exchanges: Exchanges, events: Sequence[AuditEvent]) -> tuple[_End, Sequence[int]]:
        """The end to go on from, and the numbers of the events that follow it."""
        count = len(events)
        if end := self._end:
            for (numbers,) in exchanges.ask(self._continue, **end.values(events)):
                return end, self._dialect.drawn(numbers, count)
        base = digest_text(secrets.token_bytes(_DIGEST_BYTES))
        ((chain, numbers),) = exchanges.ask(self._begin, base=base, at=events[-1].at, count=count)
        return _End(chain, 0, base), self._dialect.drawn(numbers, count)
