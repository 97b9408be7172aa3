"""Which calls show to have the key that a session is bound to."""

from dataclasses import replace

import pytest

from tests.domain.samples import NOW, a_session, an_attempt, decide, phone, refreshed, refused
from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import BindingAction, BindingPolicy, Rotation, SenderConstraint
from tokensvc.domain.possession import NOTHING, Possession, refusal_of
from tokensvc.domain.used_id import used_id

JKT, X5T = Confirmation(jkt="key"), Confirmation(x5t_s256="certificate")
NONE, DPOP, TLS = SenderConstraint.NONE, SenderConstraint.DPOP, SenderConstraint.TLS
PROVEN, BAD = Possession(has_proof=True, jkt="key"), Possession(has_proof=True)
HOLDER = Possession(certificate="certificate")
MISMATCH, SURPLUS = Reason.BINDING_MISMATCH, Reason.INVALID_REQUEST

VERDICTS = [
    (NOTHING, None, NONE, None),
    (HOLDER, None, NONE, None),
    (PROVEN, None, NONE, SURPLUS),
    (BAD, None, NONE, SURPLUS),
    (PROVEN, JKT, NONE, None),
    (PROVEN, JKT, DPOP, None),
    (NOTHING, JKT, NONE, MISMATCH),
    (BAD, JKT, NONE, MISMATCH),
    (HOLDER, JKT, NONE, MISMATCH),
    (replace(PROVEN, jkt="other"), JKT, NONE, MISMATCH),
    (PROVEN.replayed(), JKT, NONE, MISMATCH),
    (replace(PROVEN, wanted_nonce="nonce"), JKT, NONE, MISMATCH),
    (HOLDER, X5T, NONE, None),
    (HOLDER, X5T, TLS, None),
    (NOTHING, X5T, NONE, MISMATCH),
    (replace(HOLDER, certificate="other"), X5T, NONE, MISMATCH),
    (replace(HOLDER, has_proof=True), X5T, NONE, SURPLUS),
    (PROVEN, None, DPOP, MISMATCH),
    (HOLDER, None, TLS, MISMATCH),
    (HOLDER, X5T, DPOP, MISMATCH),
    (PROVEN, JKT, TLS, MISMATCH),
]


@pytest.mark.parametrize(("possession", "confirmation", "constraint", "reason"), VERDICTS)
def test_what_is_shown_is_judged(
    possession: Possession, confirmation: Confirmation | None, constraint: SenderConstraint, reason: Reason | None
) -> None:
    """The key that the session is bound to must be shown, of the kind that the policy demands, and nothing more."""
    refusal = refusal_of(possession, confirmation, constraint)
    assert (refusal.reason if refusal else None) is reason


def test_a_nonce_is_told_to_who_has_the_key_alone() -> None:
    """Who has another key learns nothing."""
    lacking = replace(PROVEN, wanted_nonce="nonce")
    told = [refusal_of(shown, JKT, NONE) for shown in (lacking, replace(lacking, jkt="other"))]
    assert [refusal and refusal.wanted_nonce for refusal in told] == ["nonce", ""]


def test_a_replayed_proof_shows_nothing() -> None:
    """But that there was one."""
    shown = replace(PROVEN, used_id=used_id("dpop-proof", "key", "jti", expires_at=NOW))
    assert shown.replayed() == BAD


@pytest.mark.parametrize("shown", [NOTHING, BAD, replace(PROVEN, jkt="other"), PROVEN.replayed()])
@pytest.mark.parametrize("generation", [0, 4, 5, 6])
def test_without_the_key_nothing_is_ended(shown: Possession, generation: int) -> None:
    """Neither by an old token, nor from another device: who has stolen a token cannot even do harm with it."""
    policy = phone(binding=BindingPolicy(device=BindingAction.END_SESSION))
    effects = decide(
        an_attempt(generation, possession=shown, device_id="other"), a_session(5, confirmation=JKT), policy
    )
    assert effects == Effects(refused(effects))
    assert refused(effects).reason is MISMATCH
    assert refused(effects).differs == "key"


def test_with_the_key_reuse_is_caught() -> None:
    """An old token under a good proof is as good as any other for reuse detection."""
    effects = decide(an_attempt(3, possession=PROVEN), a_session(5, confirmation=JKT))
    assert refused(effects).reason is Reason.REFRESH_TOKEN_REUSED
    assert effects.session is not None


def test_with_the_key_a_token_may_never_rotate() -> None:
    """For such clients rotation `never` is allowed: the same token is good again and again."""
    policy = phone(rotation=Rotation.NEVER, sender_constraint=DPOP)
    effects = decide(an_attempt(5, possession=PROVEN), a_session(5, confirmation=JKT), policy)
    assert refreshed(effects).session.generation == 5
