"""Owns reading the revocation log: the whole of it at start, its tail afterwards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from tokensvc.domain.client import Client
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.view import GRACE, View
from tokensvc.store import schema
from tokensvc.store.rows import client_from, log_entry_from

_PAGE = 10_000
_ABOUT_CLIENTS = frozenset({EntryKind.CLIENT, EntryKind.CLIENT_CHANGED})


@dataclass(frozen=True, slots=True)
class Tail:
    """What came after a revision: the entries, and the clients that they concern as they are now."""

    head: int
    entries: list[LogEntry]
    clients: list[Client]


def read_tail(connection: Connection, after: int) -> Tail | None:
    """Answer what the log holds behind revision `after`; None if a part of that has been pruned already.

    Its statements need not see the same state: entries up to a head that was read before them are all there, and a
    client that is newer than the head comes once more with its own entry.
    """
    head = _head(connection)
    if head == after:
        return Tail(head, [], [])
    entries = _entries(connection, after, head)
    if len(entries) != head - after:
        return None
    about = sorted({entry.key for entry in entries if entry.kind in _ABOUT_CLIENTS})
    return Tail(head, entries, _clients(connection, about) if about else [])


@dataclass(slots=True)
class Reading:
    """A view in the making: it takes in pages of the log until it has `reached` its `head`."""

    view: View
    head: int
    reached: int

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return self.reached >= self.head

    def take(self, page: Sequence[LogEntry]) -> None:
        """Take in what `read_page` has found."""
        for entry in page:
            self.view.apply(entry)
        self.reached = page[-1].revision if len(page) == _PAGE else self.head
        self.view.revision = self.head


def begin_reading(connection: Connection, now: int) -> Reading:
    """Begin with a new view of everything that is still needed.

    A long log takes seconds to read. So it is read in pages, each of which is quick, and other work goes on in between.
    They need not see the same state, for the reason that the tail's statements need not.
    """
    reading = Reading(View(), _head(connection), 0)
    reading.view.clients = {client.client_id: client for client in _clients(connection)}
    reading.take(read_page(connection, reading, now))
    return reading


def read_page(connection: Connection, reading: Reading, now: int) -> list[LogEntry]:
    """The entries that come next."""
    log = schema.revocation_log
    found = connection.execute(
        select(log)
        .where(log.c.revision > reading.reached, log.c.revision <= reading.head, log.c.expires_at >= now - GRACE)
        .order_by(log.c.revision)
        .limit(_PAGE)
    )
    return list(map(log_entry_from, found))


def advance(view: View, tail: Tail) -> None:
    """Bring `view` to the end of `tail`."""
    for entry in tail.entries:
        view.apply(entry)
    if tail.clients:  # a new mapping: decisions in another thread may still be reading the old one
        view.clients = view.clients | {client.client_id: client for client in tail.clients}


def _head(connection: Connection) -> int:
    return int(connection.execute(select(schema.log_head.c.revision)).scalar_one())


def _entries(connection: Connection, after: int, head: int) -> list[LogEntry]:
    log = schema.revocation_log
    found = connection.execute(
        select(log).where(log.c.revision > after, log.c.revision <= head).order_by(log.c.revision)
    )
    return list(map(log_entry_from, found))


def _clients(connection: Connection, only: Iterable[str] | None = None) -> list[Client]:
    statement = select(schema.clients)
    if only is not None:
        statement = statement.where(schema.clients.c.client_id.in_(list(only)))
    return [client_from(row) for row in connection.execute(statement).mappings()]
