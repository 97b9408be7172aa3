"""Keys follow each other under load, on two nodes, beside verifiers that keep the public keys for a while."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tokensvc_pb.v1 import key_service_pb2 as keys_pb

from tests.harness import Caller
from tests.system.nodes import two_nodes
from tests.system.phones import CACHED, phone

LEAD = 3  # seconds
ALGORITHMS = ("EdDSA", "PS256", "ES256")
PHONES = 6


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[Caller, Caller]]:
    """One caller, who may administer too, seen by two nodes."""
    may = "issue,refresh,introspect,revoke,admin"
    async with two_nodes(tmp_path, "tokensvc_key_rotation", may, key_lead=str(LEAD)) as both:
        yield both


async def until_active(node: Caller, key: Any) -> None:
    """Return when `key` is in use."""
    while True:
        listed = (await node.ListKeys(keys_pb.ListKeysRequest())).keys
        if any(one.key_id == key.key_id and one.state == keys_pb.KEY_STATE_ACTIVE for one in listed):
            return
        await asyncio.sleep(0.1)


async def test_no_call_and_no_verification_fails_while_keys_are_rotated(nodes: tuple[Caller, Caller]) -> None:
    """Three signing keys and as many MAC keys take over, prepared at one node and then the other."""
    over = asyncio.Event()
    phones = [asyncio.create_task(phone(nodes, f"user-{place}", over.is_set)) for place in range(PHONES)]
    for place, algorithm in enumerate(ALGORITHMS):
        node = nodes[place % 2]
        signing = keys_pb.RotateKeyRequest(purpose=keys_pb.KEY_PURPOSE_SIGNING, algorithm=algorithm)
        mac = keys_pb.RotateKeyRequest(purpose=keys_pb.KEY_PURPOSE_REFRESH_MAC)
        made = [(await node.RotateKey(request)).key for request in (signing, mac)]
        assert {key.state for key in made} == {keys_pb.KEY_STATE_PREPARED}
        for key in made:
            await until_active(node, key)
        await asyncio.wait(phones, timeout=CACHED)  # some calls under these keys alone
    over.set()
    seen = set().union(*await asyncio.gather(*phones))
    assert {algorithm for algorithm, _ in seen} == {"ES256", *ALGORITHMS}
    assert {number for _, number in seen} == {1, 2, 3, 4}
