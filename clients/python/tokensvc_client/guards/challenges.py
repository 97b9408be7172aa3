"""Owns the challenges in WWW-Authenticate (RFC 6750, 3; RFC 9449, 7.1): what a caller is told to show, and why."""

import re
from collections.abc import Collection
from typing import Final

from tokensvc_client.guards.refusal import Cause, Refusal, Scheme

ALGORITHMS: Final = "ES256 ES384 EdDSA RS256 PS256"
"""By which a proof may be signed."""

_OUTSIDE: Final = re.compile(r'[^\x20-\x7e]|["\\]')  # of what a description may have (RFC 6750, 3)


def challenges(refusal: Refusal, realm: str, scopes: Collection[str], *, takes_proofs: bool) -> list[str]:
    """The values of WWW-Authenticate, one for each scheme that is taken; who has used one is told there what is wrong.

    `scopes` are those that a token needs. A caller that has shown nothing is told of no error (RFC 6750, 3.1).
    """
    schemes = [scheme for scheme in Scheme if scheme is Scheme.BEARER or takes_proofs or scheme is refusal.scheme]
    return [_challenge(scheme, refusal, realm, scopes) for scheme in schemes]


def _challenge(scheme: Scheme, refusal: Refusal, realm: str, scopes: Collection[str]) -> str:
    parameters = {"realm": realm}
    if scheme is refusal.scheme and refusal.cause is not Cause.NO_TOKEN:
        parameters |= {"error": refusal.cause.value, "error_description": refusal.description}
    parameters["scope"] = " ".join(refusal.scopes or scopes)
    if scheme is Scheme.DPOP:
        parameters["algs"] = ALGORITHMS
    said = ", ".join(f'{name}="{_OUTSIDE.sub("", value)}"' for name, value in parameters.items() if value)
    return f"{scheme.value} {said}"
