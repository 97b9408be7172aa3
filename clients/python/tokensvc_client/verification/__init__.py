"""Access tokens verified in this process: without a call for each, and within a staleness as Introspect would."""

from tokensvc_client.verification.access_token import Actor, VerifiedToken
from tokensvc_client.verification.clients import AsyncClientSource, ClientSource
from tokensvc_client.verification.errors import (
    ExpiredTokenError,
    InsufficientScopeError,
    InvalidProofError,
    InvalidTokenError,
    RevokedTokenError,
    UnverifiableError,
    VerificationError,
    WrongAudienceError,
)
from tokensvc_client.verification.keys import JwksUnavailableError, KeyLimits
from tokensvc_client.verification.policy import VerificationPolicy, WhenStale
from tokensvc_client.verification.source import AsyncTokenSource, TokenSource
from tokensvc_client.verification.verifier import AsyncTokenVerifier, TokenVerifier

__all__ = [
    "Actor",
    "AsyncClientSource",
    "AsyncTokenSource",
    "AsyncTokenVerifier",
    "ClientSource",
    "ExpiredTokenError",
    "InsufficientScopeError",
    "InvalidProofError",
    "InvalidTokenError",
    "JwksUnavailableError",
    "KeyLimits",
    "RevokedTokenError",
    "TokenSource",
    "TokenVerifier",
    "UnverifiableError",
    "VerificationError",
    "VerificationPolicy",
    "VerifiedToken",
    "WhenStale",
    "WrongAudienceError",
]
