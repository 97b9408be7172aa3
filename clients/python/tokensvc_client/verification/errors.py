"""Owns what a verification can fail with.

```
VerificationError              this token is not accepted, now
├── InvalidTokenError          not a genuine access token of this issuer, or not good yet (RFC 6750: invalid_token)
│   ├── ExpiredTokenError      it was good, and its time is over
│   └── RevokedTokenError      it was good, and has been ended
├── WrongAudienceError         it is genuine, and meant for somebody else
├── InsufficientScopeError     it lacks a scope (RFC 6750: insufficient_scope)
├── InvalidProofError          its key is not shown: no good proof or certificate (RFC 9449: invalid_dpop_proof)
└── UnverifiableError          nobody knows: keys or revocations are too old, and the service does not answer
```
"""


class VerificationError(Exception):
    """This token is not accepted. The message says why and repeats nothing of the token."""


class InvalidTokenError(VerificationError):
    """It is not a genuine access token of this issuer, or not good yet."""


class ExpiredTokenError(InvalidTokenError):
    """Its time is over."""


class RevokedTokenError(InvalidTokenError):
    """It was ended: itself, or with its session, subject, device or client, or with what it was made from."""


class WrongAudienceError(VerificationError):
    """It is genuine, and meant for somebody else."""


class InsufficientScopeError(VerificationError):
    """It lacks a scope that is needed. `scopes` are all that are."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        super().__init__("the token lacks a scope")
        self.scopes = scopes


class InvalidProofError(VerificationError):
    """It is bound to a key that is not shown, or came with a proof and is bound to none."""


class UnverifiableError(VerificationError):
    """It may be good: what is needed to say so is not known now. The same token may be accepted later."""
