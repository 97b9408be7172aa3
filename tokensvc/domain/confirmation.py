"""Owns the key that tokens are bound to: what it is called, and what the claim `cnf` says of it (RFC 7800, 3.1)."""

from typing import Final

from tokensvc.domain import base64url
from tokensvc.domain.errors import invalid
from tokensvc.domain.value import value

BEARER: Final = "Bearer"
DPOP: Final = "DPoP"

_JKT: Final = "jkt"
_X5T: Final = "x5t#S256"
_THUMBPRINT_BYTES: Final = 32


@value(frozen=True, slots=True)
class Confirmation:
    """SHA-256 thumbprints in base64url, one of which is empty.

    `jkt` is that of a DPoP key (RFC 9449, 6.1), `x5t_s256` that of a TLS certificate (RFC 8705, 3.1).
    """

    jkt: str = ""
    x5t_s256: str = ""


def check(confirmation: Confirmation) -> None:
    """Refuse one that does not name one key, in the one spelling that there is."""
    if bool(confirmation.jkt) == bool(confirmation.x5t_s256):
        raise invalid("confirmation", "confirmation has not one of jkt and x5t_s256")
    if not is_thumbprint(confirmation.jkt or confirmation.x5t_s256):
        name = "jkt" if confirmation.jkt else "x5t_s256"
        raise invalid(f"confirmation.{name}", f"{name} is not a SHA-256 thumbprint: 43 characters of base64url")


def is_thumbprint(text: str) -> bool:
    """Whether `text` is a SHA-256 hash in base64url."""
    octets = base64url.decode(text)
    return octets is not None and len(octets) == _THUMBPRINT_BYTES


def token_type_of(confirmation: Confirmation | None) -> str:
    """How an access token is presented (RFC 9449, 5); one that is bound to a certificate still is a bearer token."""
    return DPOP if confirmation is not None and confirmation.jkt else BEARER


def to_claim(confirmation: Confirmation) -> dict[str, str]:
    """Answer the claim `cnf`."""
    return {_JKT: confirmation.jkt} if confirmation.jkt else {_X5T: confirmation.x5t_s256}


def from_claim(claim: object) -> Confirmation:
    """Read a claim `cnf` that we have written; what is none raises TypeError."""
    if isinstance(claim, dict):
        match [*claim.items()]:
            case [(name, str(thumbprint))] if name in (_JKT, _X5T) and is_thumbprint(thumbprint):
                return Confirmation(jkt=thumbprint) if name == _JKT else Confirmation(x5t_s256=thumbprint)
    raise TypeError
