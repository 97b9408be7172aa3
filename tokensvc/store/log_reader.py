"""Owns reading the revocation log: the whole of it at start, its tail afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from tokensvc.domain.client import Client
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.view import GRACE, View
from tokensvc.store import schema
from tokensvc.store.rows import client_from, log_entry_from

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


def read_view(connection: Connection, now: int) -> View:
    """Answer a view made from everything that is still needed."""
    view = View()
    head = _head(connection)
    log = schema.revocation_log
    found = connection.execute(
        select(log).where(log.c.expires_at >= now - GRACE, log.c.revision <= head).order_by(log.c.revision)
    )
    for row in found.mappings():
        view.apply(log_entry_from(row))
    view.revision = head
    view.clients = {client.client_id: client for client in _clients(connection)}
    return view


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
    return [log_entry_from(row) for row in found.mappings()]


def _clients(connection: Connection, only: Iterable[str] | None = None) -> list[Client]:
    statement = select(schema.clients)
    if only is not None:
        statement = statement.where(schema.clients.c.client_id.in_(list(only)))
    return [client_from(row) for row in connection.execute(statement).mappings()]
