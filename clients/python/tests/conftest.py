"""Fixtures of the client's suite: each test runs over both clients, and against the fake and the service.

What the fake leaves to the service by design stands in the files test_real_*.py, which are told to the service alone.
"""

import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from flavours import Flavour, flavour_of
from holding import PEM, PUBLIC
from scripted import Scripted, scripted
from served import SERVERS, Served
from tokensvc_client import (
    Assertion,
    Client,
    ClientAuthMethod,
    ClientKeys,
    Permission,
    Secret,
    TokenClient,
    TokenPolicy,
)

_numbers = count(1)
POLICY = TokenPolicy(scopes=("read", "write"), audiences=("api", "billing"))


collect_ignore_glob = [] if "real" in SERVERS else ["test_real_*.py"]


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that runs for the whole suite: tests keep apart by clients and subjects of their own."""
    with SERVERS[request.param](tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
def script() -> Iterator[Scripted]:
    """A server that answers as the test says."""
    with scripted() as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def flavour(request: pytest.FixtureRequest) -> Iterator[Flavour]:
    """Threads or asyncio."""
    with flavour_of(request.param) as flavour:
        yield flavour


@pytest.fixture
def register(server: Served) -> Callable[..., Secret]:
    """Registers a client that may do everything but administer, for all clients, unless the test says else."""

    def registered(**fields: Any) -> Secret:
        every = tuple(permission for permission in Permission if permission not in {0, Permission.ADMIN})
        wanted = {"permissions": every, "acts_for": ("*",), "audiences": ("api",), "token_policy": POLICY, **fields}
        with TokenClient(server.address, credentials=server.admin) as admin:
            created = admin.create_client(Client(f"client-{next(_numbers)}", **wanted))
        return Secret(created.client.client_id, created.client_secret)

    return registered


@pytest.fixture
def key_holder(server: Served, subject: str) -> Callable[..., Assertion]:
    """Registers a client that authenticates by assertions, and answers the credentials for it."""

    def registered(**options: Any) -> Assertion:
        keys = ClientKeys(jwks=json.dumps({"keys": [PUBLIC]}), algorithms=("ES256",))
        method, may = ClientAuthMethod.PRIVATE_KEY_JWT, (Permission.INTROSPECT, Permission.ADMIN)
        with TokenClient(server.address, credentials=server.admin) as admin:
            admin.create_client(Client(f"holder-{subject}", auth_method=method, keys=keys, permissions=may))
        return Assertion(f"holder-{subject}", PEM, issuer=server.issuer, **options)

    return registered


@pytest.fixture
def admin(server: Served, flavour: Flavour) -> Any:
    """A client that may do everything."""
    return flavour.client(server.address, credentials=server.admin)


@pytest.fixture
def bff(server: Served, flavour: Flavour, register: Callable[..., Secret]) -> Any:
    """A client that may do everything but administer."""
    return flavour.client(server.address, credentials=register())


@pytest.fixture
def subject() -> str:
    """A user that no other test knows."""
    return f"user-{next(_numbers)}"
