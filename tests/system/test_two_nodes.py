"""Two nodes in processes of their own on one PostgreSQL."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller
from tests.system.nodes import two_nodes

# How often a revocation is looked for on the other node; more when somebody wants to be certain.
TIMES = int(os.environ.get("TOKENSVC_TEST_REVOCATIONS", "300"))


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[Caller, Caller]]:
    """One caller, seen by both."""
    async with two_nodes(tmp_path, "tokensvc_two_nodes", "issue,refresh,introspect,revoke") as both:
        yield both


async def test_a_revocation_is_seen_by_the_other_node_at_once(nodes: tuple[Caller, Caller]) -> None:
    """Revoked on one node, the token is inactive on the other as soon as the answer is there, in both directions."""
    for place in range(TIMES):
        one, other = nodes if place % 2 else nodes[::-1]
        issued = await one.Issue(pb.IssueRequest(subject=f"user-{place}"))
        question = pb.IntrospectRequest(token=issued.access_token)
        assert (await other.Introspect(question)).active
        await one.Revoke(pb.RevokeRequest(session_id=issued.session_id, reason="logout"))
        assert not (await other.Introspect(question)).active


async def test_a_session_goes_on_at_the_other_node(nodes: tuple[Caller, Caller]) -> None:
    """A phone may refresh at any node, each time at another, and a token that was consumed at one is caught at both."""
    one, other = nodes
    first = token = (await one.Issue(pb.IssueRequest(subject="ada"))).refresh_token
    for place in range(20):
        node = one if place % 2 else other
        token = (await node.Refresh(pb.RefreshRequest(refresh_token=token))).refresh_token
    with pytest.raises(Exception, match="consumed"):
        await one.Refresh(pb.RefreshRequest(refresh_token=first))
    assert not (await other.Introspect(pb.IntrospectRequest(token=token))).active
