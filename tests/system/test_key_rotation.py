"""Keys follow each other under load, on two nodes, beside verifiers that keep the public keys for a while."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from tokensvc_pb.v1 import key_service_pb2 as keys_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller
from tests.system.nodes import two_nodes

LEAD = 3  # seconds
CACHED = 1.5  # seconds for which a verifier keeps the public keys, whatever it meets
ALGORITHMS = ("EdDSA", "PS256", "ES256")
PHONES = 6


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[Caller, Caller]]:
    """One caller, who may administer too, seen by two nodes."""
    may = "issue,refresh,introspect,revoke,admin"
    async with two_nodes(tmp_path, "tokensvc_key_rotation", may, key_lead=str(LEAD)) as both:
        yield both


class Verifier:
    """Verifies access tokens by the public keys, which it fetches anew when they are old, and for no other reason."""

    def __init__(self, node: Caller) -> None:
        self._node = node
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -CACHED

    async def verify(self, token: str) -> str:
        """Answer the algorithm of `token`; fails if it does not verify."""
        if time.monotonic() - self._fetched_at >= CACHED:
            document = json.loads((await self._node.GetJwks(keys_pb.GetJwksRequest())).jwks)
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in document["keys"]}
            self._fetched_at = time.monotonic()
        header = jwt.get_unverified_header(token)
        jwt.decode(token, self._keys[header["kid"]], algorithms=[header["alg"]], audience="api", leeway=1)
        return str(header["alg"])


async def phone(nodes: tuple[Caller, Caller], subject: str, is_over: Callable[[], bool]) -> set[tuple[str, int]]:
    """Refresh at one node and then the other, with a retry each time; every token must be good everywhere.

    Answers the algorithms of the access tokens with the MAC keys of the refresh tokens beside them.
    """
    verifiers, seen = [Verifier(node) for node in nodes], set()
    token = (await nodes[0].Issue(pb.IssueRequest(subject=subject))).refresh_token
    turn = 0
    while not is_over():
        one, other = nodes if turn % 2 else nodes[::-1]
        turn += 1
        request = pb.RefreshRequest(refresh_token=token)
        refreshed, retried = await one.Refresh(request), await other.Refresh(request)
        assert retried.refresh_token == refreshed.refresh_token
        token = refreshed.refresh_token
        for text in (refreshed.access_token, retried.access_token, token):
            assert (await other.Introspect(pb.IntrospectRequest(token=text))).active
        for verifier in verifiers:
            seen.add((await verifier.verify(refreshed.access_token), key_of(token)))
    return seen


def key_of(token: str) -> int:
    """The MAC key that an opaque refresh token names."""
    return jwt.utils.base64url_decode(token.removeprefix("tsr1_"))[0]


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
