"""What a DPoP proof says, and for which request and how long it is good."""

from typing import Any

import pytest

from tests.proofs import METHOD, URI, relayed
from tokensvc.domain.claims import Claims
from tokensvc.domain.dpop_proof import LEEWAY, OLDEST, DpopProof, check_relayed, from_claims, hash_of
from tokensvc.domain.errors import RefusedError

NOW = 1_800_000_000_000
CLAIMS: Claims = {"jti": "proof-1", "htm": METHOD, "htu": URI, "iat": NOW // 1000}
PROOF = DpopProof("key", "proof-1", METHOD, URI, NOW)


def test_all_claims_are_read() -> None:
    """Claims that mean nothing here are ignored (RFC 9449, 4.2)."""
    more = {"ath": hash_of("token"), "nonce": "n", "exp": 1, "other": []}
    assert from_claims(CLAIMS, "key") == PROOF
    assert from_claims({**CLAIMS, **more}, "key") == DpopProof(
        "key", "proof-1", METHOD, URI, NOW, access_token_hash=hash_of("token"), nonce="n"
    )


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("value", [None, "", 1.5e300, -1, True, [], {}, float("nan"), "1800000000"], ids=repr)
def test_every_claim_has_its_type(name: str, value: Any) -> None:
    """What is missing, empty or of another type is no proof; a text is only wrong where a number belongs."""
    without = {key: claim for key, claim in CLAIMS.items() if key != name}
    assert from_claims(without, "key") is None
    if not (isinstance(value, str) and value and name != "iat"):
        assert from_claims({**CLAIMS, name: value}, "key") is None


@pytest.mark.parametrize(
    "changes",
    [{"jti": "x" * 256}, {"ath": ""}, {"ath": "short"}, {"ath": hash_of("t") + "="}, {"ath": 1}, {"ath": "é" * 43}],
    ids=str,
)
def test_claims_are_bounded(changes: Claims) -> None:
    """A jti of any length would fill the memory of what was used; a hash is exactly one."""
    assert from_claims({**CLAIMS, **changes}, "key") is None


@pytest.mark.parametrize(
    ("age", "is_good"),
    [(0, True), (OLDEST - 1, True), (OLDEST, False), (-LEEWAY, True), (-LEEWAY - 1, False), (OLDEST + 1, False)],
)
def test_it_is_good_for_a_short_time(age: int, is_good: bool) -> None:
    """Up to a minute old, and a little ahead for clocks that are."""
    assert PROOF.is_timely(NOW + age) is is_good


@pytest.mark.parametrize(
    ("method", "uri", "is_for"),
    [
        (METHOD, URI, True),
        (METHOD, f"{URI}?page=1", True),
        ("post", URI, False),
        ("GET", URI, False),
        (METHOD, "https://bff.test/other", False),
        (METHOD, "https://other.test/token", False),
        (METHOD, "http://bff.test/token", False),
    ],
)
def test_it_is_for_one_request(method: str, uri: str, is_for: bool) -> None:
    """By method, exactly, and URI, without query and fragment."""
    assert PROOF.is_for(relayed("", method, uri)) is is_for


def test_its_id_is_kept_for_longer_than_it_is_good() -> None:
    """Whenever in its time it is used: afterwards it is too old on every clock."""
    for age in (-LEEWAY, 0, OLDEST - 1):
        used = PROOF.used_id(NOW + age)
        assert not PROOF.is_timely(used.expires_at - LEEWAY)
        assert used.digest == PROOF.used_id(NOW).digest
    others = [DpopProof("other", "proof-1", METHOD, URI, NOW), DpopProof("key", "proof-2", METHOD, URI, NOW)]
    assert len({proof.used_id(NOW).digest for proof in (PROOF, *others)}) == 3


@pytest.mark.parametrize(
    ("method", "uri", "field"),
    [
        ("", URI, "dpop.method"),
        ("PO ST", URI, "dpop.method"),
        ("P" * 33, URI, "dpop.method"),
        ("POST\n", URI, "dpop.method"),
        (METHOD, "", "dpop.uri"),
        (METHOD, "/token", "dpop.uri"),
        (METHOD, URI + "/" + "x" * 2048, "dpop.uri"),
    ],
)
def test_what_it_is_compared_with_is_checked(method: str, uri: str, field: str) -> None:
    """A BFF that relays nothing to compare with is told so: else every proof of every phone would seem wrong."""
    with pytest.raises(RefusedError) as refused:
        check_relayed(relayed("a.b.c", method, uri))
    assert refused.value.field == field
