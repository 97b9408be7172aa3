"""Owns what an app is to do when its refresh has failed. A session that may be alive is never given up."""

from datetime import timedelta
from enum import Enum, auto
from typing import Final

from tokensvc_client.errors import (
    BindingMismatchError,
    BusyError,
    ClientDisabledError,
    InvalidAudienceError,
    InvalidRequestError,
    InvalidScopeError,
    RefreshTokenError,
    RefreshTokenReusedError,
    TokenServiceError,
    UnavailableError,
)

_SOON: Final = timedelta(seconds=1)  # within every retry window, so that what was done is answered again
_LATER: Final = timedelta(seconds=30)
_OF_THE_APP: Final = frozenset({"refresh_token", "dpop"})  # what is wrong with these the backend cannot put right


class Action(Enum):
    """What the app is to do."""

    RETRY = auto()
    """Come again with the same refresh token, after `retry_after`."""

    LOG_IN_AGAIN = auto()
    """Forget the tokens: the session is over, or cannot give what was asked for."""

    ALARM = auto()
    """Forget the tokens and tell the user: somebody else may have had them."""

    PROVE_AGAIN = auto()
    """Come again with the same refresh token and another proof, with `dpop_nonce` where there is one (RFC 9449, 8)."""


class RefreshRefusedError(Exception):
    """The app gets no tokens. `__cause__` is the TokenServiceError, for the backend's log.

    `retry_after` is zero unless the action is RETRY. `dpop_nonce` is to be passed on as the header DPoP-Nonce.
    """

    def __init__(self, action: Action, *, retry_after: timedelta = timedelta(0), dpop_nonce: str = "") -> None:
        super().__init__(action.name)
        self.action = action
        self.retry_after = retry_after
        self.dpop_nonce = dpop_nonce


def refused(error: TokenServiceError, *, has_proof: bool) -> RefreshRefusedError:
    """What follows from `error` for the app.

    A proof that does not do, for whatever cause, is replaced by another one. What is the backend's own fault (its
    credentials, its permissions, a malformed field) or the service's ends no session: the app comes again later.
    """
    match error:
        case BindingMismatchError() if has_proof:
            return RefreshRefusedError(Action.PROVE_AGAIN, dpop_nonce=error.dpop_nonce)
        case BindingMismatchError() | RefreshTokenReusedError():
            return RefreshRefusedError(Action.ALARM)
        case RefreshTokenError() | ClientDisabledError() | InvalidScopeError() | InvalidAudienceError():
            return RefreshRefusedError(Action.LOG_IN_AGAIN)
        case InvalidRequestError() if error.field in _OF_THE_APP:
            return RefreshRefusedError(Action.LOG_IN_AGAIN)
        case BusyError() | UnavailableError():
            return RefreshRefusedError(Action.RETRY, retry_after=error.retry_after or _SOON)
        case _:
            return RefreshRefusedError(Action.RETRY, retry_after=_LATER)
