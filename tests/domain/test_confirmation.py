"""The key that tokens are bound to: one, named by a thumbprint in the one spelling that there is."""

import pytest

from tokensvc.domain.confirmation import Confirmation, check, from_claim, to_claim, token_type_of
from tokensvc.domain.errors import RefusedError

THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
JKT, X5T = Confirmation(jkt=THUMBPRINT), Confirmation(x5t_s256=THUMBPRINT)


@pytest.mark.parametrize(
    ("confirmation", "claim", "token_type"),
    [(JKT, {"jkt": THUMBPRINT}, "DPoP"), (X5T, {"x5t#S256": THUMBPRINT}, "Bearer")],
)
def test_the_claim(confirmation: Confirmation, claim: dict[str, str], token_type: str) -> None:
    """As RFC 9449, 6.1 and RFC 8705, 3.1 have it; what is bound to a certificate is presented as a bearer token."""
    assert to_claim(confirmation) == claim
    assert from_claim(claim) == confirmation
    assert token_type_of(confirmation) == token_type
    assert token_type_of(None) == "Bearer"


@pytest.mark.parametrize(
    ("confirmation", "field"),
    [
        (Confirmation(), "confirmation"),
        (Confirmation(THUMBPRINT, THUMBPRINT), "confirmation"),
        (Confirmation(jkt="short"), "confirmation.jkt"),
        (Confirmation(jkt=THUMBPRINT + "="), "confirmation.jkt"),
        (Confirmation(jkt=THUMBPRINT[:-1] + "J"), "confirmation.jkt"),
        (Confirmation(jkt=THUMBPRINT[:-1] + "+"), "confirmation.jkt"),
        (Confirmation(jkt=THUMBPRINT + "AAAA"), "confirmation.jkt"),
        (Confirmation(x5t_s256="é" * 43), "confirmation.x5t_s256"),
        (Confirmation(x5t_s256="x" * 1_000_000), "confirmation.x5t_s256"),
    ],
)
def test_nothing_else_is_one(confirmation: Confirmation, field: str) -> None:
    """Neither none nor two, nor another spelling, which would never compare equal."""
    with pytest.raises(RefusedError) as refused:
        check(confirmation)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "claim",
    [None, {}, [], "jkt", {"jkt": 1}, {"jkt": "short"}, {"kid": THUMBPRINT}, {"jkt": THUMBPRINT, "kid": "1"}],
    ids=str,
)
def test_no_other_claim_is_read(claim: object) -> None:
    """What another version may have written is not taken for what it is not."""
    with pytest.raises(TypeError):
        from_claim(claim)
