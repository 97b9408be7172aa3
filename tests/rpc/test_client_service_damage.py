"""Damaged requests to ClientService by somebody who may send them."""

import random

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from tokensvc_pb.v1 import client_service_pb2 as pb

from tests.harness import Caller, Service
from tests.rpc.tables import tables_of
from tests.rpc.test_client_service import DESCRIPTION
from tests.rpc.test_malformed_bytes import MALFORMED, _damaged, _send
from tokensvc.domain.client import Permission

CLIENT = json_format.ParseDict(DESCRIPTION, pb.Client())
PATHS = ("name", "permissions", "token_policy.rotation", "token_policy.rotation_interval", "token_policy.binding")
SAMPLES: dict[str, Message] = {
    "CreateClient": pb.CreateClientRequest(client=CLIENT),
    "GetClient": pb.GetClientRequest(client_id="new"),
    "ListClients": pb.ListClientsRequest(page_size=5, page_token="YWRtaW4="),
    "UpdateClient": pb.UpdateClientRequest(client=CLIENT, update_mask={"paths": PATHS}),
    "DeleteClient": pb.DeleteClientRequest(client_id="new"),
    "RotateClientSecret": pb.RotateClientSecretRequest(client_id="new", overlap={"seconds": 60}),
}


@pytest.fixture
async def admin(service: Service) -> Caller:
    """A caller that may administer."""
    return await service.caller("admin", permissions=frozenset({Permission.ADMIN}))


# The samples of bytes speak of a first field that is a text or a message: that of ListClients is a number.
@pytest.mark.parametrize("method", sorted(SAMPLES.keys() - {"ListClients"}))
async def test_bytes_that_are_no_message_are_refused(service: Service, admin: Caller, method: str) -> None:
    """What cannot be decoded is INVALID_REQUEST, and nothing is written."""
    before = tables_of(service)
    for kind, data in MALFORMED.items():
        refused = await _send(admin, f"ClientService/{method}", data)
        assert refused is not None, kind
        assert refused.reason == "INVALID_REQUEST", kind
    assert tables_of(service) == before


@pytest.mark.parametrize("method", SAMPLES)
async def test_no_damage_to_a_request_is_a_defect(admin: Caller, method: str) -> None:
    """However a good request is damaged, the answer is success or a reason of the contract, never INTERNAL."""
    chance = random.Random(method)
    sample = SAMPLES[method].SerializeToString()
    for _ in range(150):
        data = _damaged(sample, chance)
        refused = await _send(admin, f"ClientService/{method}", data)
        assert refused is None or refused.reason not in {"", "INTERNAL"}, data
