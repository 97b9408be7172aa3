"""Keys follow each other under load, on two nodes, beside verifiers that keep the public keys for a while."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tokensvc_pb.v1 import key_service_pb2 as keys_pb

from tests.harness import Caller
from tests.system.nodes import running_nodes
from tests.system.phones import CACHED, phone
from tests.system.processes import create_client

LEAD = 3  # seconds
ALGORITHMS = ("EdDSA", "PS256", "ES256")
PHONES = 3  # of each kind
MAY = "issue,refresh,introspect,revoke,admin"
STATELESS = ("--permission", MAY, "--audience", "api", "--refresh-token-format", "stateless-jwt")

Pair = tuple[Caller, Caller]


@pytest.fixture
async def apps(tmp_path: Path) -> AsyncIterator[tuple[Pair, Pair]]:
    """Two callers who may administer too, each seen by two nodes: one has sessions in rows, one has stateless ones."""
    async with running_nodes(tmp_path, "tokensvc_key_rotation", MAY, key_lead=str(LEAD)) as nodes:
        secret = create_client(tmp_path, "stateless", *STATELESS, **nodes.settings)
        one, two = (Caller("stateless", secret, node.channel) for node in nodes.callers)
        yield nodes.callers, (one, two)


async def until_active(node: Caller, key: Any) -> None:
    """Return when `key` is in use."""
    while True:
        listed = (await node.ListKeys(keys_pb.ListKeysRequest())).keys
        active = {(one.key_id, one.purpose) for one in listed if one.state == keys_pb.KEY_STATE_ACTIVE}
        if (key.key_id, key.purpose) in active:
            return
        await asyncio.sleep(0.1)


async def test_no_call_and_no_verification_fails_while_keys_are_rotated(apps: tuple[Pair, Pair]) -> None:
    """Three keys of each purpose take over, prepared at one node and then the other."""
    over = asyncio.Event()
    phones = [
        asyncio.create_task(phone(nodes, f"user-{place}", over.is_set)) for nodes in apps for place in range(PHONES)
    ]
    for place, algorithm in enumerate(ALGORITHMS):
        node = apps[0][place % 2]
        requests = [
            keys_pb.RotateKeyRequest(purpose=keys_pb.KEY_PURPOSE_SIGNING, algorithm=algorithm),
            keys_pb.RotateKeyRequest(purpose=keys_pb.KEY_PURPOSE_REFRESH_MAC),
            keys_pb.RotateKeyRequest(purpose=keys_pb.KEY_PURPOSE_SESSION_MAC),
        ]
        made = [(await node.RotateKey(request)).key for request in requests]
        assert {key.state for key in made} == {keys_pb.KEY_STATE_PREPARED}
        for key in made:
            await until_active(node, key)
        await asyncio.wait(phones, timeout=CACHED)  # some calls under these keys alone
    over.set()
    seen = set().union(*await asyncio.gather(*phones))
    assert {algorithm for algorithm, _ in seen} == {"ES256", *ALGORITHMS}
    assert {name for _, name in seen} == {f"{number}{kind}" for number in range(1, 5) for kind in ("", "-stateless")}
