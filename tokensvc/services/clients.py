"""Owns the administration of clients: registering, listing, changing and deleting them, and giving them new secrets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final, TypeVar

from tokensvc.domain import bounds
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.client_fields import changed, differences
from tokensvc.domain.effects import AuditEvent, Effects, Refused
from tokensvc.domain.errors import Reason, RefusedError, invalid
from tokensvc.domain.policy import DAY, MAX_ACCESS_TTL
from tokensvc.domain.revocation import EntryKind, LogEntry
from tokensvc.domain.revoke import barrier_entry
from tokensvc.domain.value import value
from tokensvc.ports import AlgorithmsOf, Clock, Randomness, Rows, Store, Unit
from tokensvc.services.client_authentication import with_checked_keys
from tokensvc.services.client_checks import checked
from tokensvc.services.client_secrets import hash_secret, new_secret
from tokensvc.services.paging import page_size, page_token, place_in

T = TypeVar("T")

DEFAULT_OVERLAP = DAY
LONGEST_OVERLAP = 30 * DAY

OPERATOR: Final = Client("", permissions=frozenset({Permission.ADMIN}))
"""Who works on the database itself; an audit event without a caller is theirs."""

_SWITCH = {"disabled"}
_NOT_FOUND = Refused(Reason.CLIENT_NOT_FOUND, "there is no client with this client_id", "client_id")
_NO_SECRET = Refused(Reason.INVALID_REQUEST, "the client does not authenticate by a secret", "client_id")
_NOT_KNOWN = Refused(
    Reason.NOT_IMPLEMENTED,
    "a newer version has described this client: to change it here would lose what this version does not know",
    "client_id",
)


@value(frozen=True, slots=True)
class RotatedSecret:
    """A new secret, shown this once, and when the one before it ends."""

    secret: str = field(repr=False)
    previous_expires_at: int


class Clients:
    """The use cases of ClientService. Each needs the permission admin, and what changes anything is audited.

    The field that a refusal names is a path in the proto's message Client, or the name of an argument.
    """

    def __init__(self, store: Store, clock: Clock, randomness: Randomness, algorithms_of: AlgorithmsOf) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness
        self._algorithms_of = algorithms_of

    async def create(self, client: Client, *, confidential: bool, caller: Client) -> tuple[Client, str]:
        """Register `client`; answer it and its secret, which is never shown again.

        A confidential one has a secret unless it says that it authenticates by something else; then, and if it is
        public, the secret is empty.
        """
        caller.require(Permission.ADMIN)
        if confidential and client.auth_method is None:
            client = replace(client, auth_method=AuthMethod.SECRET)
        described = self._checked(client, confidential=confidential)
        (await self._store.view()).directory.require_own_names(described)
        now = self._clock()
        secret = new_secret(self._randomness) if client.auth_method is AuthMethod.SECRET else ""
        created = replace(
            described, secret_hash=hash_secret(secret) if secret else None, created_at=now, updated_at=now
        )

        def decide(rows: Rows) -> Effects[Refused | None]:
            if rows.client(client.client_id) is not None:
                return Effects(Refused(Reason.CLIENT_EXISTS, "a client with this client_id exists", "client_id"))
            event = _event("client.created", client.client_id, caller, now)
            return Effects(None, client=created, log=(_told(client.client_id, now),), audit=(event,))

        await self._commit(Unit(decide, client_id=client.client_id))
        return created, secret

    async def get(self, client_id: str, *, caller: Client) -> Client:
        """One client."""
        caller.require(Permission.ADMIN)
        client = (await self._store.view()).clients.get(bounds.client_id(client_id))
        if client is None:
            raise _NOT_FOUND.error()
        return client

    async def list_clients(self, wanted: int = 0, token: str = "", *, caller: Client) -> tuple[Sequence[Client], str]:
        """Answer a page of clients in the order of their ids, and the token of the next page, empty at the end."""
        caller.require(Permission.ADMIN)
        size = page_size(wanted)
        last_seen = place_in(token, bounds.CLIENT_ID)[0] if token else ""
        clients = (await self._store.view()).clients
        rest = sorted(client_id for client_id in clients if client_id > last_seen)
        page = rest[:size]
        return [clients[client_id] for client_id in page], page_token(page[-1]) if len(page) < len(rest) else ""

    async def update(self, client_id: str, values: Mapping[str, Any], *, caller: Client) -> Client:
        """Put new `values`, by paths of `client_fields.CHANGEABLE`, into a client; answer it.

        Disabling it also ends everything issued for it. Live sessions meet its new policy at their next refresh. One
        that is to authenticate by a secret from now on has none until `rotate_secret` makes it.
        """
        now, directory = self._clock(), (await self._store.view()).directory

        def decide(client: Client) -> Effects[Client | Refused]:
            wanted = changed(client, values)
            updated = replace(wanted, retries_from=client.with_policy(wanted.policy, now).retries_from, updated_at=now)
            try:
                if values.keys() != _SWITCH:  # whatever stands in an old row, the client can be switched off
                    updated = self._checked(updated, confidential=client.is_confidential)
                    directory.require_own_names(updated)
            except RefusedError as error:
                return Effects(Refused(error.reason, error.message, error.field))
            ends = updated.disabled and "disabled" in values
            entry = _ended(client_id, now, "client disabled") if ends else _told(client_id, now)
            return Effects(updated, client=updated, log=(entry,), audit=_update_events(client, updated, values, caller))

        return await self._change(client_id, caller, decide)

    async def set_disabled(self, client_id: str, *, disabled: bool, caller: Client) -> Client:
        """Disable a client, which also ends everything issued for it, or let it call again."""
        return await self.update(client_id, {"disabled": disabled}, caller=caller)

    async def delete(self, client_id: str, *, caller: Client) -> int:
        """Delete a client and end everything issued for it; answer the revision of the log that did.

        One that is registered under its id later has nothing of it.
        """
        now = self._clock()

        def decide(_client: Client) -> Effects[Refused | None]:
            event = _event("client.deleted", client_id, caller, now)
            entry = _ended(client_id, now, "client deleted")
            return Effects(None, deleted_client=client_id, log=(entry,), audit=(event,))

        _, revision = await self._decide(client_id, caller, decide)
        return revision

    async def rotate_secret(self, client_id: str, overlap: int | None = None, *, caller: Client) -> RotatedSecret:
        """Give a client a new secret. The one before stays good for `overlap` milliseconds, the one before that ends.

        The overlap is 24 hours if it is None; with zero the secret before ends at once.
        """
        span = DEFAULT_OVERLAP if overlap is None else overlap
        if not 0 <= span <= LONGEST_OVERLAP:
            raise invalid("overlap", f"overlap is not between 0 and {LONGEST_OVERLAP // DAY} days")
        now = self._clock()
        rotated = RotatedSecret(new_secret(self._randomness), now + span)

        def decide(client: Client) -> Effects[Refused | None]:
            if client.auth_method is not AuthMethod.SECRET:
                return Effects(_NO_SECRET)
            replaced = replace(
                client,
                secret_hash=hash_secret(rotated.secret),
                previous_secret_hash=client.secret_hash if span else None,
                previous_expires_at=rotated.previous_expires_at if span and client.secret_hash else 0,
                updated_at=now,
            )
            event = _event(
                "client.secret_rotated", client_id, caller, now, previous_expires_at=rotated.previous_expires_at
            )
            return Effects(None, client=replaced, log=(_told(client_id, now),), audit=(event,))

        await self._change(client_id, caller, decide)
        return rotated

    def _checked(self, client: Client, *, confidential: bool) -> Client:
        if client.is_confidential is not confidential:
            why = "auth_method is required" if confidential else "a public client cannot call, so it has no auth_method"
            raise invalid("auth_method", why)
        return with_checked_keys(checked(client, confidential=confidential), self._algorithms_of)

    async def _change(self, client_id: str, caller: Client, decide: Callable[[Client], Effects[T | Refused]]) -> T:
        """Answer what `decide` makes of a client that this version can write back as it is."""

        def known(client: Client) -> Effects[T | Refused]:
            return decide(client) if client.is_complete else Effects(_NOT_KNOWN)

        return (await self._decide(client_id, caller, known))[0]

    async def _decide(
        self, client_id: str, caller: Client, decide: Callable[[Client], Effects[T | Refused]]
    ) -> tuple[T, int]:
        """Answer what `decide` makes of the client as it is inside the transaction, and the revision."""
        caller.require(Permission.ADMIN)
        bounds.client_id(client_id)

        def found(rows: Rows) -> Effects[T | Refused]:
            client = rows.client(client_id)
            return Effects(_NOT_FOUND) if client is None else decide(client)

        return await self._commit(Unit(found, client_id=client_id))

    async def _commit(self, unit: Unit[T | Refused]) -> tuple[T, int]:
        committed = await self._store.commit(unit)
        if isinstance(committed.outcome, Refused):
            raise committed.outcome.error()
        return committed.outcome, committed.revision


def _update_events(before: Client, after: Client, values: Mapping[str, Any], caller: Client) -> tuple[AuditEvent, ...]:
    """One event for the switch, if it was touched, and one for all other fields; it names those that differ."""
    events = []
    if "disabled" in values:
        kind = "client.disabled" if after.disabled else "client.enabled"
        events.append(_event(kind, after.client_id, caller, after.updated_at))
    if values.keys() != _SWITCH:
        names = " ".join(name for name in differences(before, after) if name != "disabled")
        events.append(_event("client.updated", after.client_id, caller, after.updated_at, fields=names))
    return tuple(events)


def _event(kind: str, client_id: str, caller: Client, now: int, **details: str | int) -> AuditEvent:
    return AuditEvent(kind, at=now, caller=caller.client_id, client_id=client_id, details=details)


def _told(client_id: str, now: int) -> LogEntry:
    """Tells the nodes to read the client again; one that misses it for a day reads everything again."""
    return LogEntry(EntryKind.CLIENT_CHANGED, client_id, at=now, expires_at=now + MAX_ACCESS_TTL)


def _ended(client_id: str, now: int, reason: str) -> LogEntry:
    """Ends everything issued for the client, and tells the nodes to read it again."""
    return barrier_entry(EntryKind.CLIENT, client_id, now, None, reason)
