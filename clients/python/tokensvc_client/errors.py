"""Owns what a call can fail with: one tree of exceptions, and reading one from a failed gRPC call.

```
TokenServiceError                 whatever a call failed with
├── InvalidRequestError           INVALID_REQUEST: a field is missing, malformed or out of bounds
│   ├── InvalidScopeError         INVALID_SCOPE
│   └── InvalidAudienceError      INVALID_AUDIENCE
├── UnauthenticatedError          CALLER_UNAUTHENTICATED: this program's own credentials are not good
├── RefreshTokenError             this refresh token gets no tokens
│   ├── RefreshTokenInvalidError  REFRESH_TOKEN_INVALID: malformed, forged or unknown
│   ├── RefreshTokenExpiredError  REFRESH_TOKEN_EXPIRED
│   ├── RefreshTokenRevokedError  REFRESH_TOKEN_REVOKED
│   ├── RefreshTokenReusedError   REFRESH_TOKEN_REUSED: it was stolen, or kept too long; its session has ended
│   ├── BindingMismatchError      BINDING_MISMATCH: another device, address, user agent or key; or a nonce is wanted
│   └── CredentialChangedError    CREDENTIAL_CHANGED
├── SubjectTokenInvalidError      SUBJECT_TOKEN_INVALID: a token to exchange is not active
├── PermissionDeniedError         CALLER_NOT_PERMITTED
│   ├── ClientMismatchError       CLIENT_MISMATCH
│   └── ClientDisabledError       CLIENT_DISABLED
├── NotFoundError
│   ├── ClientNotFoundError       CLIENT_NOT_FOUND
│   ├── SessionNotFoundError      SESSION_NOT_FOUND
│   └── KeyNotFoundError          KEY_NOT_FOUND
├── ClientExistsError             CLIENT_EXISTS
├── SessionLimitReachedError      SESSION_LIMIT_REACHED
├── BusyError                     nothing was done; retry_after says when to come back
│   ├── RateLimitedError          RATE_LIMITED: this program calls too often
│   └── OverloadedError           OVERLOADED: everybody together does
├── UnavailableError              no connection, or it broke: what was asked for may have been done
│   ├── StoreUnavailableError     STORE_UNAVAILABLE: the database cannot be reached, or lacks the demanded revision
│   └── DeadlineExceededError     no answer in time: what was asked for may have been done
├── InternalError                 INTERNAL: a defect of the server; the message has the id of the call in its log
└── NotOfferedError               NOT_IMPLEMENTED: this server does not have the method, or is older than what it met
```
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import ClassVar, Final

import grpc


class TokenServiceError(Exception):
    """Whatever a call failed with. `str()` is the server's message, which repeats nothing of the request.

    `reason` is the machine-readable cause, a name of the proto enum ErrorReason; empty where gRPC itself refused, which
    `code` then tells alone. `fields` are those at fault. `retry_after` is how long to wait, where the server has said.
    `metadata` is what else it says of the cause.
    """

    is_retryable: ClassVar[bool] = False
    """Whether waiting alone may help. If it is safe to repeat the call is said at its method."""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        fields: tuple[str, ...] = (),
        retry_after: timedelta | None = None,
        metadata: Mapping[str, str] = MappingProxyType({}),
        dpop_nonce: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.fields = fields
        self.retry_after = retry_after
        self.metadata = metadata
        self.dpop_nonce = dpop_nonce
        """The nonce that the next proof has to have (RFC 9449, 8); empty where none is demanded."""

    @property
    def field(self) -> str:
        """The field at fault, the first of several; empty if it is none."""
        return self.fields[0] if self.fields else ""

    def __str__(self) -> str:
        cause = " ".join(part for part in (self.reason or self.code.name, ",".join(self.fields)) if part)
        return f"{self.args[0]} ({cause})"


class InvalidRequestError(TokenServiceError):
    """A field is missing, malformed or out of bounds."""


class InvalidScopeError(InvalidRequestError):
    """A scope outside the client's policy or the session's grant (RFC 6749, 5.2)."""


class InvalidAudienceError(InvalidRequestError):
    """An audience outside the client's policy or the session's grant (RFC 8707, 2)."""


class UnauthenticatedError(TokenServiceError):
    """This program is unknown or disabled, or its credentials are wrong: always the same answer."""


class RefreshTokenError(TokenServiceError):
    """This refresh token gets no tokens. Most kinds of it end in a new login."""


class RefreshTokenInvalidError(RefreshTokenError):
    """It is malformed, forged or unknown."""


class RefreshTokenExpiredError(RefreshTokenError):
    """The session's idle or absolute lifetime is over."""


class RefreshTokenRevokedError(RefreshTokenError):
    """The session was revoked, by itself or through its subject, device or client."""


class RefreshTokenReusedError(RefreshTokenError):
    """A consumed refresh token came back: the whole session has been ended (RFC 9700, 4.14.2)."""


class BindingMismatchError(RefreshTokenError):
    """Another device, address, user agent or key; with `dpop_nonce` a proof with that nonce may succeed."""


class CredentialChangedError(RefreshTokenError):
    """The user's credentials have changed since the session began."""


class SubjectTokenInvalidError(TokenServiceError):
    """The subject or actor token of an exchange is not active (RFC 8693, 2.2.2)."""


class PermissionDeniedError(TokenServiceError):
    """This program is known, but lacks the permission."""


class ClientMismatchError(PermissionDeniedError):
    """The token belongs to another client than the one named, or this program may not act for it."""


class ClientDisabledError(PermissionDeniedError):
    """The client that the token is for is disabled."""


class NotFoundError(TokenServiceError):
    """What was named does not exist."""


class ClientNotFoundError(NotFoundError):
    """There is no client with this client_id."""


class SessionNotFoundError(NotFoundError):
    """There is no session with this session_id."""


class KeyNotFoundError(NotFoundError):
    """There is no key with this key_id."""


class ClientExistsError(TokenServiceError):
    """A client with this client_id exists."""


class SessionLimitReachedError(TokenServiceError):
    """The subject has as many sessions with this client as its policy allows."""


class BusyError(TokenServiceError):
    """Too much was asked for at a time. Nothing was done, so any call may be repeated after `retry_after`."""

    is_retryable = True


class RateLimitedError(BusyError):
    """This program has used up its rate."""


class OverloadedError(BusyError):
    """The server has more work than it can do."""


class UnavailableError(TokenServiceError):
    """No connection, or it broke before the answer: what was asked for may have been done."""

    is_retryable = True


class StoreUnavailableError(UnavailableError):
    """The database cannot be reached, or does not hold the revision that was demanded."""


class DeadlineExceededError(UnavailableError):
    """No answer came in time: what was asked for may have been done."""


class InternalError(TokenServiceError):
    """A defect of the server. The message carries the id of the call in the server's log."""


class NotOfferedError(TokenServiceError):
    """This server does not offer the method, or a client was described by a newer version."""


OF_REASON: Final[Mapping[str, type[TokenServiceError]]] = {
    "INVALID_REQUEST": InvalidRequestError,
    "INVALID_SCOPE": InvalidScopeError,
    "INVALID_AUDIENCE": InvalidAudienceError,
    "CALLER_UNAUTHENTICATED": UnauthenticatedError,
    "REFRESH_TOKEN_INVALID": RefreshTokenInvalidError,
    "REFRESH_TOKEN_EXPIRED": RefreshTokenExpiredError,
    "REFRESH_TOKEN_REVOKED": RefreshTokenRevokedError,
    "REFRESH_TOKEN_REUSED": RefreshTokenReusedError,
    "BINDING_MISMATCH": BindingMismatchError,
    "CREDENTIAL_CHANGED": CredentialChangedError,
    "SUBJECT_TOKEN_INVALID": SubjectTokenInvalidError,
    "CALLER_NOT_PERMITTED": PermissionDeniedError,
    "CLIENT_MISMATCH": ClientMismatchError,
    "CLIENT_DISABLED": ClientDisabledError,
    "CLIENT_NOT_FOUND": ClientNotFoundError,
    "SESSION_NOT_FOUND": SessionNotFoundError,
    "KEY_NOT_FOUND": KeyNotFoundError,
    "CLIENT_EXISTS": ClientExistsError,
    "SESSION_LIMIT_REACHED": SessionLimitReachedError,
    "RATE_LIMITED": RateLimitedError,
    "OVERLOADED": OverloadedError,
    "STORE_UNAVAILABLE": StoreUnavailableError,
    "INTERNAL": InternalError,
    "NOT_IMPLEMENTED": NotOfferedError,
}
"""The exception for each reason that the service has."""

OF_CODE: Final[Mapping[grpc.StatusCode, type[TokenServiceError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.CANCELLED: UnavailableError,  # by the other side: a flooded or stopping server, a proxy
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNKNOWN: InternalError,
    grpc.StatusCode.UNIMPLEMENTED: NotOfferedError,
}
"""The exception for a code without a reason, or with one that is newer than this library."""
