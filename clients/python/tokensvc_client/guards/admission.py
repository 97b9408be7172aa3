"""Owns the one way in: what a request presents is verified, or the request is refused."""

from collections.abc import Collection

from tokensvc_client.guards.presented import Request
from tokensvc_client.guards.refusal import refusal_of
from tokensvc_client.guards.verifiers import AsyncVerifier
from tokensvc_client.verification import VerificationError, VerifiedToken


async def admitted(
    request: Request, verifier: AsyncVerifier, *, audience: str, scopes: Collection[str]
) -> VerifiedToken:
    """What the token of `request` says; fails with Refusal unless it is for `audience` and has all `scopes`."""
    presented = request.presented()
    try:
        return await verifier.verify(
            presented.token,
            audience=audience,
            scopes=scopes,
            proof=presented.proof,
            certificate=request.certificate,
        )
    except VerificationError as error:
        raise refusal_of(error, presented.scheme) from error
