"""Owns clients: registering and disabling them, and recognising them when they call."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import replace

from tokensvc.domain import bounds
from tokensvc.domain.client import EVERY_CLIENT, Client
from tokensvc.domain.effects import AuditEvent, Effects, Refused
from tokensvc.domain.errors import Reason, RefusedError, invalid
from tokensvc.domain.policy import MAX_ACCESS_TTL, MAX_REFRESH_TTL, MAX_RETRY_WINDOW, SECOND, TokenPolicy
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.revoke import barrier_entry
from tokensvc.domain.view import View
from tokensvc.ports import Clock, Randomness, Rows, Store, Unit

_SECRET_PREFIX = "tscs_"  # noqa: S105 - makes leaked secrets findable, is none itself
_SECRET_BYTES = 32
_NO_SECRET = bytes(32)


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret. It has 256 random bits, so a fast hash loses nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def authenticate(view: View, client_id: str, secret: str) -> Client:
    """Answer the client that calls; refuse whoever is unknown, disabled or wrong in the same way and time."""
    client = view.clients.get(client_id)
    stored = client.secret_hash if client is not None and client.secret_hash else None
    matches = hmac.compare_digest(hash_secret(secret), stored or _NO_SECRET)
    if client is None or stored is None or client.disabled or not matches:
        raise unauthenticated()
    return client


def unauthenticated() -> RefusedError:
    """The one refusal of a caller that is not recognised."""
    return RefusedError(Reason.CALLER_UNAUTHENTICATED, "the caller is not authenticated")


class Clients:
    """The use cases of client administration. Whoever gets here is an operator."""

    def __init__(self, store: Store, clock: Clock, randomness: Randomness) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness

    async def create(self, client: Client, *, confidential: bool) -> tuple[Client, str]:
        """Register `client`; answer it and its secret, which is empty for a public client and never shown again."""
        check_client(client, confidential=confidential)
        now = self._clock()
        secret = _SECRET_PREFIX + _base64url(self._randomness(_SECRET_BYTES)) if confidential else ""
        policy = replace(
            client.policy,
            scopes=bounds.scopes(client.policy.scopes),
            audiences=bounds.audiences(client.policy.audiences),
        )
        created = replace(
            client,
            secret_hash=hash_secret(secret) if confidential else None,
            policy=policy,
            created_at=now,
            updated_at=now,
        )

        def decide(rows: Rows) -> Effects[Refused | None]:
            if rows.client(client.client_id) is not None:
                return Effects(Refused(Reason.CLIENT_EXISTS, "a client with this client_id exists", "client_id"))
            event = AuditEvent("client.created", at=now, client_id=client.client_id)
            return Effects(None, client=created, log=(_changed(client.client_id, now),), audit=(event,))

        await self._decide(Unit(decide, client_id=client.client_id))
        return created, secret

    async def set_disabled(self, client_id: str, *, disabled: bool) -> None:
        """Disable a client, which also ends everything issued for it, or let it call again."""
        now = self._clock()

        def decide(rows: Rows) -> Effects[Refused | None]:
            client = rows.client(client_id)
            if client is None:
                return Effects(Refused(Reason.CLIENT_NOT_FOUND, "there is no client with this client_id", "client_id"))
            entry = (
                barrier_entry(EntryKind.CLIENT, client_id, now, None, "client disabled")
                if disabled
                else _changed(client_id, now)
            )
            event = AuditEvent("client.disabled" if disabled else "client.enabled", at=now, client_id=client_id)
            changed = replace(client, disabled=disabled, updated_at=now)
            return Effects(None, client=changed, log=(entry,), audit=(event,))

        await self._decide(Unit(decide, client_id=client_id))

    async def list_clients(self) -> list[Client]:
        """All clients in the order of their ids."""
        view = await self._store.view()
        return [view.clients[client_id] for client_id in sorted(view.clients)]

    async def get(self, client_id: str) -> Client:
        """One client."""
        client = (await self._store.view()).clients.get(client_id)
        if client is None:
            raise RefusedError(Reason.CLIENT_NOT_FOUND, "there is no client with this client_id", "client_id")
        return client

    async def _decide(self, unit: Unit[Refused | None]) -> None:
        outcome = (await self._store.commit(unit)).outcome
        if outcome is not None:
            raise outcome.error()


def check_client(client: Client, *, confidential: bool) -> None:
    """Refuse a client with a value out of bounds, naming the field."""
    bounds.client_id(client.client_id)
    bounds.text(client.name, "name")
    if client.permissions and not confidential:
        raise invalid("permissions", "a public client cannot call, so it has no permissions")
    _check_client_ids(client.acts_for, "acts_for")
    bounds.audiences(sorted(client.audiences), "audiences")
    check_policy(client.policy)


def check_policy(policy: TokenPolicy) -> None:
    """Refuse a policy with a value out of bounds, naming the field."""
    bounds.scopes(policy.scopes, "token_policy.scopes")
    bounds.audiences(policy.audiences, "token_policy.audiences")
    _check_span(policy.access_ttl, "access_ttl", SECOND, MAX_ACCESS_TTL)
    _check_span(policy.refresh_idle_ttl, "refresh_idle_ttl", SECOND, MAX_REFRESH_TTL)
    _check_span(policy.refresh_absolute_ttl, "refresh_absolute_ttl", SECOND, MAX_REFRESH_TTL)
    _check_span(policy.retry_window, "retry_window", 0, MAX_RETRY_WINDOW)


def _check_span(value: int, name: str, least: int, most: int) -> None:
    if not least <= value <= most:
        raise invalid(f"token_policy.{name}", f"{name} is not between {least // 1000} and {most // 1000} seconds")


def _check_client_ids(values: Iterable[str], field: str) -> None:
    for value in values:
        if value != EVERY_CLIENT:
            bounds.client_id(value, field)


def _changed(client_id: str, now: int) -> LogEntry:
    """Tells the nodes to read the client again; one that misses it for a day reads everything again."""
    return LogEntry(EntryKind.CLIENT_CHANGED, client_id, at=now, expires_at=now + MAX_ACCESS_TTL)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
