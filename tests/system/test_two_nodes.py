"""Two nodes in processes of their own on one PostgreSQL."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests import postgres_databases
from tests.harness import Caller
from tests.system.processes import calling, create_client, serving, tokensvc

DATABASE = "tokensvc_two_nodes"
# How often a revocation is looked for on the other node; more when somebody wants to be certain.
TIMES = int(os.environ.get("TOKENSVC_TEST_REVOCATIONS", "300"))


@pytest.fixture
def database_url() -> Iterator[str]:
    """An empty database."""
    postgres_databases.drop_database(DATABASE)
    yield postgres_databases.create_database(DATABASE)
    postgres_databases.drop_database(DATABASE)


@pytest.fixture
async def nodes(tmp_path: Path, database_url: str) -> AsyncIterator[tuple[Caller, Caller]]:
    """One caller, seen by two nodes that share the database and the root key and nothing else."""
    settings = {"database_url": database_url, "root_key_file": str(tmp_path / "root.key")}
    tokensvc("db", "upgrade", data_dir=tmp_path, **settings)
    flags = ("--permission", "issue,refresh,introspect,revoke", "--answers-for", "api", "--audience", "api")
    secret = create_client(tmp_path, "bff", *flags, **settings)
    with serving(tmp_path / "one", **settings) as one, serving(tmp_path / "two", **settings) as two:
        with calling(one, "bff", secret) as first, calling(two, "bff", secret) as second:
            yield first, second
            await first.channel.close()
            await second.channel.close()
        assert (one.terminate(), two.terminate()) == (0, 0)


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
