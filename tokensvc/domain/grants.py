"""Owns how much of what was asked for is given: scopes and audiences within a policy and a grant."""

from collections.abc import Collection

from tokensvc.domain.effects import Refused
from tokensvc.domain.errors import Reason


def narrow_scopes(wanted: tuple[str, ...], allowed: Collection[str]) -> tuple[str, ...] | Refused:
    """Answer the `wanted` scopes, all `allowed` ones if none is named, or the refusal of a wider wish (RFC 6749, 6)."""
    if any(scope not in allowed for scope in wanted):
        return Refused(Reason.INVALID_SCOPE, "a scope is not within the grant or the client's policy", "scopes")
    return wanted or tuple(allowed)


def narrow_audiences(wanted: tuple[str, ...], allowed: Collection[str]) -> tuple[str, ...] | Refused:
    """The same for audiences, of which at least one must be left: a token for nobody is not issued (RFC 9068, 3)."""
    if any(audience not in allowed for audience in wanted) or not allowed:
        return Refused(
            Reason.INVALID_AUDIENCE, "an audience is not within the grant or the client's policy", "audiences"
        )
    return wanted or tuple(allowed)
