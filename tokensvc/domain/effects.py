"""Owns what a decision may do: its outcome, and the rows that are written with it or not at all."""

from dataclasses import field, replace
from typing import Final, Generic, TypeVar

from tokensvc.domain.client import Client
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.keys import StoredKey
from tokensvc.domain.revocation import LogEntry
from tokensvc.domain.session import Session
from tokensvc.domain.value import value

T_co = TypeVar("T_co", covariant=True)

LAST_NUMBER: Final = 2**63 - 1
"""No audit event has it: numbers are below."""


@value(frozen=True, slots=True)
class AuditEvent:
    """Something that happened. It holds no token and no secret."""

    type: str
    at: int
    caller: str = ""
    client_id: str = ""
    subject: str = ""
    session_id: str = ""
    reason: str = ""
    ip: str = ""
    details: dict[str, str | int] = field(default_factory=dict)

    def without_addresses(self) -> "AuditEvent":
        """The same without where somebody was; `peer` is where a connection came from."""
        if not self.ip and "peer" not in self.details:
            return self
        return replace(self, ip="", details={name: value for name, value in self.details.items() if name != "peer"})


@value(frozen=True, slots=True)
class Refused:
    """An expected outcome that is answered with an error: a value, because what led to it may have to be committed.

    `differs` names the bound values that do, for the audit trail alone; `is_recorded` says that an audit event was
    written with it, `wanted_nonce` what a proof should have had.
    """

    reason: Reason
    message: str
    field: str = ""
    differs: str = ""
    is_recorded: bool = False
    wanted_nonce: str = ""

    def error(self) -> RefusedError:
        """The exception for the caller, to be raised after the commit."""
        return RefusedError(
            self.reason,
            self.message,
            self.field,
            differs=self.differs,
            is_recorded=self.is_recorded,
            wanted_nonce=self.wanted_nonce,
        )


@value(frozen=True, slots=True)
class Effects(Generic[T_co]):
    """A decision's outcome and everything to be written in the same transaction: `ended` are other sessions."""

    outcome: T_co
    session: Session | None = None
    ended: tuple[Session, ...] = ()
    client: Client | None = None
    deleted_client: str = ""
    keys: tuple[StoredKey, ...] = ()
    log: tuple[LogEntry, ...] = ()
    audit: tuple[AuditEvent, ...] = ()
