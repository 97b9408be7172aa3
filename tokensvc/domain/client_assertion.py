"""Owns what a client's assertion says, and whether it may be used now (RFC 7523, 3)."""

from typing import Final

from tokensvc.domain import claims as read
from tokensvc.domain.bounds import CLIENT_ID, MAX_NAME
from tokensvc.domain.claims import Claims
from tokensvc.domain.policy import MINUTE, SECOND
from tokensvc.domain.used_id import UsedId, used_id
from tokensvc.domain.value import value

LONGEST_LIFE: Final = 10 * MINUTE
LEEWAY: Final = 10 * SECOND  # by which the clocks of clients may differ from ours


@value(frozen=True, slots=True)
class ClientAssertion:
    """Who the assertion says that it is from, its `jti`, and until when it may be used (milliseconds)."""

    client_id: str
    token_id: str
    good_until: int

    @property
    def used_id(self) -> UsedId:
        """What must not have been used before."""
        return used_id("client-assertion", self.client_id, self.token_id, expires_at=self.good_until)


def claimed_client(claims: Claims) -> str:
    """The client that `claims` name, right or wrong; empty if that is no name of a client."""
    subject = claims.get("sub")
    return subject if isinstance(subject, str) and CLIENT_ID.fullmatch(subject) else ""


def from_claims(claims: Claims, issuer: str, now: int) -> ClientAssertion | None:
    """Read a claims set; None unless a client says it of itself, to us (`issuer`), for once, and for a short time."""
    try:
        client_id, token_id = read.text(claims["sub"]), read.text(claims["jti"])
        expires_at = read.milliseconds(claims["exp"])
        began = [read.milliseconds(claims[name]) for name in ("iat", "nbf") if name in claims]
        is_ours = claims["iss"] == client_id and claims["aud"] in (issuer, [issuer])
    except (KeyError, TypeError):
        return None
    is_its_time = now - LEEWAY < expires_at <= now + LONGEST_LIFE + LEEWAY and max(began, default=0) <= now + LEEWAY
    if not is_ours or not is_its_time or len(token_id) > MAX_NAME or not claimed_client(claims):
        return None
    return ClientAssertion(client_id, token_id, expires_at + LEEWAY)
