"""What the tests of the store write: sessions, log entries, clients, and the units that carry them."""

from typing import Any, TypeVar

from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.effects import Effects
from tokensvc.domain.policy import DAY, HOUR, MINUTE
from tokensvc.domain.refresh_token import session_id_of
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.session import Device, Grant, Session, begin
from tokensvc.ports import Rows, Store, Unit

T = TypeVar("T")

NOW = 1_800_000_000_000  # where the tests' clock stands


def sid(name: str = "session") -> str:
    """The session id that the tests call `name`."""
    return session_id_of(name.encode())


def a_session(name: str = "session", **grant: Any) -> Session:
    """A session of ada on her phone; `grant` changes fields of the grant."""
    fields = {
        "client_id": "phone",
        "subject": "ada",
        "scopes": ("read", "write"),
        "audiences": ("api",),
        "started_at": NOW,
        "started_revision": 0,
        "expires_at": NOW + 90 * DAY,
        "idle_ttl": 30 * DAY,
        "access_ttl": 5 * MINUTE,
        "device": Device("device", "Ada's phone", "android"),
    }
    return begin(Grant(sid(name), **(fields | grant)))


def an_entry(kind: EntryKind = EntryKind.SUBJECT, key: str = "ada", **fields: Any) -> LogEntry:
    """A log entry that ends ada's sessions, or what `kind` and `key` say."""
    return LogEntry(
        kind, key, **({"at": NOW, "expires_at": NOW + HOUR, "barrier_expires_at": NOW + 400 * DAY} | fields)
    )


def an_access_token(session: Session) -> AccessToken:
    """An access token of `session`."""
    grant = session.grant
    return AccessToken(
        issuer="https://issuer.test",
        subject=grant.subject,
        client_id=grant.client_id,
        audiences=grant.audiences,
        scopes=grant.scopes,
        issued_at=NOW,
        expires_at=NOW + grant.access_ttl,
        token_id=f"token of {grant.session_id}",
        started_at=grant.started_at,
        started_revision=grant.started_revision,
        session_id=grant.session_id,
        device_id=grant.device_id,
    )


def writing(outcome: T = None, **effects: Any) -> Unit[T]:
    """A unit that writes `effects` whatever it finds."""
    return Unit(lambda _rows: Effects(outcome, **effects))


def rotating(name: str = "session") -> Unit[int]:
    """A unit that rotates a session; its outcome is the new generation."""
    session_id = sid(name)

    def decide(rows: Rows) -> Effects[int]:
        session = rows.session(session_id)
        assert session is not None
        rotated = Session(session.grant, session.generation + 1, NOW + MINUTE, NOW + MINUTE)
        return Effects(rotated.generation, session=rotated)

    return Unit(decide, session_id=session_id)


async def stored(store: Store, name: str = "session") -> Session:
    """A session that must be there, as it is now."""
    return (await store.sessions_by_id([sid(name)]))[sid(name)].session
