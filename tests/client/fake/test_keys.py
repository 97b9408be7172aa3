"""The fake's keys: tokens are really signed, and verify with what is published."""

import json
from collections.abc import Callable

import jwt
import pytest
from tokensvc_client.testing import FakeTokenService
from tokensvc_pb.v1 import key_service_pb2 as keys_pb

from tests.client.fake.dialling import Dialled


def verified(bff: Dialled, fake: FakeTokenService, token: str) -> dict[str, object]:
    """The claims, as any verifier finds them that knows the published keys and the real time."""
    keys = jwt.PyJWKSet.from_json(bff.GetJwks(keys_pb.GetJwksRequest()).jwks)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, object] = jwt.decode(token, key, algorithms=["ES256"], audience="api", issuer=fake.issuer)
    return claims


def published(bff: Dialled) -> list[str]:
    """The names of the published keys."""
    keys = json.loads(bff.GetJwks(keys_pb.GetJwksRequest()).jwks)["keys"]
    return [key["kid"] for key in keys]


def states(bff: Dialled) -> list[str]:
    """Where the keys are in their lives, the newest first."""
    return [keys_pb.KeyState.Name(key.state) for key in bff.ListKeys(keys_pb.ListKeysRequest()).keys]


def test_a_local_verifier_accepts_tokens(fake: FakeTokenService, bff: Dialled) -> None:
    """Type, key, algorithm, issuer, audience and lifetime are what they must be (RFC 9068, 4)."""
    token = fake.issue("ada", audiences=["api"], scopes=["read"]).access_token
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert verified(bff, fake, token)["scope"] == "read"


def test_a_rotated_key_goes_on_verifying(fake: FakeTokenService, bff: Dialled) -> None:
    """New tokens have the new key; the old ones stay good."""
    before = fake.issue("ada", audiences=["api"]).access_token
    key_id = fake.rotate_key()
    after = fake.issue("ada", audiences=["api"]).access_token
    assert jwt.get_unverified_header(after)["kid"] == key_id != jwt.get_unverified_header(before)["kid"]
    assert verified(bff, fake, before)["sub"] == verified(bff, fake, after)["sub"] == "ada"
    assert states(bff) == ["KEY_STATE_ACTIVE", "KEY_STATE_RETIRING"]


def test_a_prepared_key_is_published_before_it_signs(fake: FakeTokenService, bff: Dialled) -> None:
    """Caches can know it in time; an hour later it signs."""
    key_id = fake.rotate_key(immediately=False)
    assert key_id in published(bff)
    assert jwt.get_unverified_header(fake.issue("ada").access_token)["kid"] != key_id
    assert states(bff) == ["KEY_STATE_PREPARED", "KEY_STATE_ACTIVE"]
    fake.clock.advance(hours=1)
    assert jwt.get_unverified_header(fake.issue("ada").access_token)["kid"] == key_id
    assert states(bff) == ["KEY_STATE_ACTIVE", "KEY_STATE_RETIRING"]


def test_a_key_retires_when_its_last_token_has(fake: FakeTokenService, bff: Dialled) -> None:
    """Then it is published no more."""
    old = published(bff)
    fake.rotate_key()
    fake.clock.advance(hours=26)
    assert not set(old) & set(published(bff))
    assert states(bff) == ["KEY_STATE_ACTIVE", "KEY_STATE_RETIRED"]


@pytest.mark.parametrize("damage", [lambda text: text[:-4] + "AAAA", lambda text: "x." + text.partition(".")[2]])
def test_a_forged_token_is_inactive(fake: FakeTokenService, bff: Dialled, damage: Callable[[str], str]) -> None:
    """Signatures are really checked."""
    assert not bff.is_active(damage(fake.issue("ada").access_token))


def test_a_token_of_another_fake_is_inactive(fake: FakeTokenService, bff: Dialled) -> None:
    """Each has keys of its own."""
    with FakeTokenService() as other:
        issued = other.issue("ada")
    assert not bff.is_active(issued.access_token)
    assert not bff.is_active(issued.refresh_token)
