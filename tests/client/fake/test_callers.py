"""Who may call the fake: anybody, until somebody is registered."""

from datetime import timedelta

import grpc
import jwt
import pytest
from tokensvc_client.testing import FakeTokenService, Refusal
from tokensvc_pb.v1 import client_service_pb2 as clients_pb
from tokensvc_pb.v1 import key_service_pb2 as keys_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.fake.dialling import Dialled, dialled, refused

UNKNOWN = (grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNAUTHENTICATED", 0)
ISSUE = pb.IssueRequest(subject="ada", scopes=["orders:read"], audiences=["orders"])


def test_nobody_has_to_be_registered(bff: Dialled) -> None:
    """One line is enough: a caller that names itself may have any scope and audience."""
    issued = bff.Issue(ISSUE)
    assert issued.scopes == ["orders:read"]
    assert bff.is_active(issued.access_token)


def test_without_a_name_nobody_may_call(fake: FakeTokenService) -> None:
    """Credentials that cannot be read are refused."""
    for authorization in ("Basic !", "Digest x", "Bearer x"):
        with dialled(fake.target, authorization=authorization) as stranger:
            assert refused(lambda stranger=stranger: stranger.Issue(ISSUE)) == UNKNOWN


def test_once_one_is_registered_others_are_unknown(fake: FakeTokenService) -> None:
    """Then a name or a secret that is wrong is refused."""
    fake.add_client("shop", secret="right")
    with dialled(fake.target, "shop", "right") as shop:
        assert shop.Issue(ISSUE).access_token
    for client_id, secret in (("shop", "wrong"), ("nobody", "right")):
        with dialled(fake.target, client_id, secret) as stranger:
            assert refused(lambda stranger=stranger: stranger.Issue(ISSUE)) == UNKNOWN


def test_an_assertion_is_taken_at_its_word(fake: FakeTokenService) -> None:
    """Who calls with private_key_jwt is who its claim sub names."""
    fake.add_client("shop")
    assertion = jwt.encode({"sub": "shop"}, "0" * 32)
    with dialled(fake.target, authorization=f"Bearer {assertion}") as shop:
        assert jwt.decode(shop.Issue(ISSUE).access_token, options={"verify_signature": False})["client_id"] == "shop"


def test_a_client_may_be_told_less(fake: FakeTokenService) -> None:
    """Permissions and the fields of a token policy are those of the contract."""
    fake.add_client("phone", scopes=["read"], access_ttl=timedelta(seconds=60))
    fake.add_client("bff", permissions=[clients_pb.PERMISSION_ISSUE])
    with dialled(fake.target) as bff:
        issued = bff.Issue(pb.IssueRequest(subject="ada", client_id="phone"))
        assert (issued.scopes, issued.expires_in) == (["read"], 60)
        assert refused(lambda: bff.Issue(pb.IssueRequest(subject="a", client_id="phone", scopes=["write"])))[1] == (
            "INVALID_SCOPE"
        )
        assert refused(lambda: bff.refresh(issued.refresh_token))[1] == "CALLER_NOT_PERMITTED"


def test_what_the_fake_does_not_model_is_refused(fake: FakeTokenService) -> None:
    """A test with a policy that would not be followed could pass here and fail at the service."""
    with pytest.raises(Refusal, match="model"):
        fake.add_client("phone", rotation=clients_pb.ROTATION_POLICY_NEVER)


def test_a_client_of_the_contract_has_only_what_it_is_given(bff: Dialled, fake: FakeTokenService) -> None:
    """CreateClient answers a secret, and an empty policy allows no scope."""
    described = clients_pb.Client(
        client_id="shop", type=clients_pb.CLIENT_TYPE_CONFIDENTIAL, permissions=[clients_pb.PERMISSION_ISSUE]
    )
    created = bff.CreateClient(clients_pb.CreateClientRequest(client=described))
    with dialled(fake.target, "shop", created.client_secret) as shop:
        assert shop.Issue(pb.IssueRequest(subject="ada")).scopes == []
        assert refused(lambda: shop.Issue(ISSUE))[1] == "INVALID_SCOPE"


def test_the_public_keys_are_for_everybody(fake: FakeTokenService) -> None:
    """GetJwks needs no credentials."""
    with dialled(fake.target, authorization="Digest x") as stranger:
        assert stranger.GetJwks(keys_pb.GetJwksRequest()).max_age.seconds == 300


def test_what_the_fake_does_not_offer_says_so(bff: Dialled) -> None:
    """What it leaves out is refused as the contract says."""
    sealing = keys_pb.RotateKeyRequest(purpose=keys_pb.KEY_PURPOSE_REFRESH_MAC)
    call = refused(lambda: bff.RotateKey(sealing))
    assert call == (grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED", 0)
