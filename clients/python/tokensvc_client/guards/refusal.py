"""Owns why a call is refused, in OAuth's terms (RFC 6750, 3.1; RFC 9449, 7.1), whatever carries the answer."""

from enum import Enum
from typing import Final

from tokensvc_client.verification import (
    InsufficientScopeError,
    InvalidProofError,
    UnverifiableError,
    VerificationError,
)

RETRY_AFTER: Final = 2
"""Seconds after which a token may be presented again that could not be verified."""


class Scheme(Enum):
    """How a token is presented (RFC 6750, 2.1; RFC 9449, 7.1)."""

    BEARER = "Bearer"
    DPOP = "DPoP"


class Cause(Enum):
    """Why; the value is the error code of OAuth where there is one."""

    NO_TOKEN = ""
    INVALID_REQUEST = "invalid_request"
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - no secret
    INVALID_DPOP_PROOF = "invalid_dpop_proof"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    UNVERIFIABLE = "temporarily_unavailable"


class Refusal(Exception):  # noqa: N818 - an outcome
    """A call is refused. The description says why and repeats nothing of it; `scopes` are all that are needed."""

    def __init__(
        self, cause: Cause, description: str, scheme: Scheme = Scheme.BEARER, scopes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(description)
        self.cause = cause
        self.description = description
        self.scheme = scheme
        self.scopes = scopes


def refusal_of(error: VerificationError, scheme: Scheme) -> Refusal:
    """Why a call is refused whose token, presented by `scheme`, was not accepted.

    A token that is bound to a key and comes as if it were not is refused for itself: another proof would not help.
    """
    match error:
        case InsufficientScopeError():
            return Refusal(Cause.INSUFFICIENT_SCOPE, str(error), scheme, error.scopes)
        case InvalidProofError() if scheme is Scheme.DPOP:
            return Refusal(Cause.INVALID_DPOP_PROOF, str(error), scheme)
        case UnverifiableError():
            return Refusal(Cause.UNVERIFIABLE, "the token cannot be verified now", scheme)
        case _:
            return Refusal(Cause.INVALID_TOKEN, str(error), scheme)
