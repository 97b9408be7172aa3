"""Owns the reasons why a request can be refused, and the exception that carries one to the caller."""

from enum import StrEnum, auto
from typing import Final


class Reason(StrEnum):
    """Machine-readable causes; each has the name of its value in the proto enum ErrorReason."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:  # noqa: ARG004
        return name

    INVALID_REQUEST = auto()
    INVALID_SCOPE = auto()
    INVALID_AUDIENCE = auto()
    CALLER_UNAUTHENTICATED = auto()
    REFRESH_TOKEN_INVALID = auto()
    REFRESH_TOKEN_EXPIRED = auto()
    REFRESH_TOKEN_REVOKED = auto()
    REFRESH_TOKEN_REUSED = auto()
    BINDING_MISMATCH = auto()
    CREDENTIAL_CHANGED = auto()
    SUBJECT_TOKEN_INVALID = auto()
    CALLER_NOT_PERMITTED = auto()
    CLIENT_MISMATCH = auto()
    CLIENT_DISABLED = auto()
    CLIENT_NOT_FOUND = auto()
    SESSION_NOT_FOUND = auto()
    KEY_NOT_FOUND = auto()
    CLIENT_EXISTS = auto()
    SESSION_LIMIT_REACHED = auto()
    RATE_LIMITED = auto()
    OVERLOADED = auto()
    STORE_UNAVAILABLE = auto()
    INTERNAL = auto()
    NOT_IMPLEMENTED = auto()


_UNTIL_LESS_IS_DONE: Final = 1.0  # seconds

ABOUT_CREDENTIALS: Final = frozenset(
    {
        Reason.CALLER_UNAUTHENTICATED,
        Reason.CALLER_NOT_PERMITTED,
        Reason.CLIENT_MISMATCH,
        Reason.CLIENT_DISABLED,
        Reason.REFRESH_TOKEN_INVALID,
        Reason.REFRESH_TOKEN_EXPIRED,
        Reason.REFRESH_TOKEN_REVOKED,
        Reason.REFRESH_TOKEN_REUSED,
        Reason.BINDING_MISMATCH,
        Reason.CREDENTIAL_CHANGED,
        Reason.SUBJECT_TOKEN_INVALID,
    }
)
"""What callers get for credentials, permissions and tokens that are not good, and what guessing leads to."""


class RefusedError(Exception):
    """A request that is answered with an error: `reason`, a fixed `message`, and the `field` at fault where one is.

    The message never repeats what the caller sent. `retry_after` is in how many seconds the same call may succeed, zero
    where waiting alone does not help. `differs` is for the audit trail, and `is_recorded` says that this knows of it
    already. With `wanted_nonce` in its proof the call might succeed (RFC 9449, 8).
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        field: str = "",
        *,
        retry_after: float = 0.0,
        differs: str = "",
        is_recorded: bool = False,
        wanted_nonce: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.differs = differs
        self.is_recorded = is_recorded
        self.wanted_nonce = wanted_nonce


def invalid(field: str, message: str) -> RefusedError:
    """The refusal of a malformed `field`."""
    return RefusedError(Reason.INVALID_REQUEST, message, field)


def overloaded(message: str) -> RefusedError:
    """The refusal of what is one too many of those that are worked on, or wait, at the same time."""
    return RefusedError(Reason.OVERLOADED, message, retry_after=_UNTIL_LESS_IS_DONE)


def unauthenticated() -> RefusedError:
    """The one refusal of a caller that is not recognised."""
    return RefusedError(Reason.CALLER_UNAUTHENTICATED, "the caller is not authenticated")
