"""Owns reading the revocation log: the whole of it at start, its tail afterwards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from tokensvc.domain.client import Client
from tokensvc.domain.keys import StoredKey
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.value import value
from tokensvc.domain.view import GRACE, View
from tokensvc.store import schema
from tokensvc.store.client_rows import client_from
from tokensvc.store.dialects import Dialect
from tokensvc.store.key_rows import read_keys
from tokensvc.store.prepared import Prepared
from tokensvc.store.rows import log_entry_from

_PAGE = 10_000
_ABOUT_CLIENTS = frozenset({EntryKind.CLIENT, EntryKind.CLIENT_CHANGED})

_LOG = schema.revocation_log
_HEAD = select(schema.log_head.c.revision)


@value(frozen=True, slots=True)
class Tail:
    """What came after a revision: the entries, and what they concern as it is now.

    These are the clients, None for one that was deleted, and all keys, if any of them has changed.
    """

    head: int
    entries: list[LogEntry]
    clients: dict[str, Client | None]
    keys: Sequence[StoredKey] | None = None


class TailReader:
    """Reads what the log holds behind a revision."""

    def __init__(self, dialect: Dialect) -> None:
        # The head and what lies behind a revision in one statement, so that a look is one exchange with the database.
        self._tail = Prepared(
            dialect,
            select(schema.log_head.c.revision.label("head"), *_LOG.c)
            .select_from(schema.log_head.outerjoin(_LOG, _LOG.c.revision > bindparam("after")))
            .order_by(_LOG.c.revision),
        )

    def read(self, connection: Connection, after: int) -> Tail | None:
        """Answer what is behind revision `after`; None if a part of that has been pruned already.

        Clients and keys are read after the log. One that is newer than the head comes once more with its own entry.
        """
        rows = self._tail.run(connection, after=after)
        head = int(rows[0][0])
        if head == after:
            return Tail(head, [], {})
        entries = [log_entry_from(entry) for _, *entry in rows if entry[0] is not None]
        if len(entries) != head - after:
            return None
        about = sorted({entry.key for entry in entries if entry.kind in _ABOUT_CLIENTS})
        found = {client.client_id: client for client in _clients(connection, about)} if about else {}
        keys = read_keys(connection) if any(entry.kind is EntryKind.KEYS_CHANGED for entry in entries) else None
        return Tail(head, entries, {client_id: found.get(client_id) for client_id in about}, keys)


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
    They need not see the same state: entries up to a head that was read before them are all there.
    """
    reading = Reading(View(), int(connection.execute(_HEAD).scalar_one()), 0)
    reading.view.clients = {client.client_id: client for client in _clients(connection)}
    reading.view.keys = read_keys(connection)
    reading.take(read_page(connection, reading, now))
    return reading


def read_page(connection: Connection, reading: Reading, now: int) -> list[LogEntry]:
    """The entries that come next."""
    return read_entries(connection, reading.reached, reading.head, now, _PAGE)


def read_entries(connection: Connection, after: int, until: int, now: int, limit: int) -> list[LogEntry]:
    """As `Store.log_entries`."""
    found = connection.execute(
        select(_LOG)
        .where(_LOG.c.revision > after, _LOG.c.revision <= until, _LOG.c.expires_at >= now - GRACE)
        .order_by(_LOG.c.revision)
        .limit(limit)
    )
    return list(map(log_entry_from, found))


def advance(view: View, tail: Tail) -> None:
    """Bring `view` to the end of `tail`."""
    for entry in tail.entries:
        view.apply(entry)
    if tail.clients:  # a new mapping: decisions in another thread may still be reading the old one
        clients = {**view.clients, **tail.clients}
        view.clients = {client_id: client for client_id, client in clients.items() if client is not None}
    if tail.keys is not None:
        view.keys = tail.keys


def _clients(connection: Connection, only: Iterable[str] | None = None) -> list[Client]:
    statement = select(schema.clients)
    if only is not None:
        statement = statement.where(schema.clients.c.client_id.in_(list(only)))
    return [client_from(row) for row in connection.execute(statement).mappings()]
