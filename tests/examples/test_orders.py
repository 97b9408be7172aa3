"""The orders service behind its guard, against a token service."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tokensvc_client import AsyncTokenClient, Client, Permission, Secret, TokenPolicy
from tokensvc_client.guards import HEALTH_AND_REFLECTION

from examples.orders import orders_pb2 as pb
from examples.orders import orders_pb2_grpc
from examples.orders.service import AUDIENCE, SCOPES, serving
from examples.stage import ISSUER, Stage
from tests.client.waiting import told

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def login(stage: Stage) -> Secret:
    """Who has tokens made for users."""
    policy = TokenPolicy(scopes=("orders.read", "orders.write"), audiences=(AUDIENCE,))
    return stage.register(
        Client("orders-login", permissions=(Permission.ISSUE, Permission.REVOKE), token_policy=policy)
    )


@pytest.fixture(scope="module")
def itself(stage: Stage) -> Secret:
    """The orders service."""
    return stage.register(Client("orders-itself", permissions=(Permission.WATCH,)))


@pytest.fixture
async def tokens(stage: Stage, login: Secret) -> AsyncIterator[AsyncTokenClient]:
    """The login's client."""
    async with AsyncTokenClient(stage.address, credentials=login) as client:
        yield client


@pytest.fixture
async def address(stage: Stage, itself: Secret) -> AsyncIterator[str]:
    """Where the orders service is."""
    async with serving(stage.address, ISSUER, itself) as served:
        yield served


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """To the orders service."""
    async with grpc.aio.insecure_channel(address) as opened:
        yield opened


@pytest.fixture
def orders(channel: grpc.aio.Channel) -> "orders_pb2_grpc.OrdersAsyncStub":
    """Its methods."""
    return orders_pb2_grpc.OrdersStub(channel)


async def bearer(tokens: AsyncTokenClient, subject: str, *scopes: str) -> tuple[tuple[str, str], ...]:
    """The metadata of who shows a new token."""
    token = (await tokens.issue(subject=subject, scopes=scopes)).access_token
    return (("authorization", f"Bearer {token}"),)


async def test_orders_are_the_callers_own(orders: "orders_pb2_grpc.OrdersAsyncStub", tokens: AsyncTokenClient) -> None:
    """Whose they are says the token."""
    await orders.PlaceOrder(pb.PlaceOrderRequest(item="tea"), metadata=await bearer(tokens, "ada"))
    mine = await orders.ListOrders(pb.ListOrdersRequest(), metadata=await bearer(tokens, "ada"))
    others = await orders.ListOrders(pb.ListOrdersRequest(), metadata=await bearer(tokens, "grace"))
    assert [order.item for order in mine.orders] == ["tea"]
    assert list(others.orders) == []


async def test_each_method_has_a_scope(orders: "orders_pb2_grpc.OrdersAsyncStub", tokens: AsyncTokenClient) -> None:
    """Who may read may not write, and no user may count."""
    reader = await bearer(tokens, "ada", "orders.read")
    await orders.ListOrders(pb.ListOrdersRequest(), metadata=reader)
    for call in (
        orders.PlaceOrder(pb.PlaceOrderRequest(item="tea"), metadata=reader),
        orders.CountItems(pb.CountItemsRequest(), metadata=await bearer(tokens, "ada")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_no_method_is_forgotten() -> None:
    """The table names the methods of the proto."""
    service = pb.DESCRIPTOR.services_by_name["Orders"]
    assert SCOPES.keys() == {f"/{service.full_name}/{method.name}" for method in service.methods}
    assert not SCOPES.keys() & HEALTH_AND_REFLECTION


async def test_a_revoked_token_is_refused_within_moments(
    orders: "orders_pb2_grpc.OrdersAsyncStub", tokens: AsyncTokenClient
) -> None:
    """The service is told, and asks nobody."""
    issued = await tokens.issue(subject="ada")
    metadata = (("authorization", f"Bearer {issued.access_token}"),)
    await orders.ListOrders(pb.ListOrdersRequest(), metadata=metadata)
    await tokens.revoke(session_id=issued.session_id)
    code = grpc.StatusCode.OK
    deadline = time.monotonic() + 10
    while code is grpc.StatusCode.OK and time.monotonic() < deadline:
        call = orders.ListOrders(pb.ListOrdersRequest(), metadata=metadata)
        code = await call.code()
    assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_an_order_has_an_item(orders: "orders_pb2_grpc.OrdersAsyncStub", tokens: AsyncTokenClient) -> None:
    """A handler refuses for reasons of its own."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await orders.PlaceOrder(pb.PlaceOrderRequest(), metadata=await bearer(tokens, "ada"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_health_is_open(channel: grpc.aio.Channel) -> None:
    """Probes have no tokens."""
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_another_service_calls_in_its_own_name(
    stage: Stage, address: str, orders: "orders_pb2_grpc.OrdersAsyncStub", tokens: AsyncTokenClient
) -> None:
    """The client of the example gets its token by itself."""
    policy = TokenPolicy(scopes=("orders.report",), audiences=(AUDIENCE,))
    report = stage.register(Client("orders-report", permissions=(Permission.ISSUE,), token_policy=policy))
    await orders.PlaceOrder(pb.PlaceOrderRequest(item="tea"), metadata=await bearer(tokens, "ada"))
    script = f". {stage.shell(report)} && exec {sys.executable} -m examples.orders.client {address}"
    done = await told(
        subprocess.run, ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("1 tea\n", "")


def test_the_stubs_are_fresh(tmp_path: Path) -> None:
    """`make proto` would change nothing."""
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python", "mypy_grpc")]
    plugin = f"--plugin=protoc-gen-mypy_grpc={Path(sys.executable).parent / 'protoc-gen-mypy_grpc'}"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", plugin, *outputs, "examples/orders/orders.proto"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    made = {path.name: path.read_text() for path in (tmp_path / "examples" / "orders").iterdir()}
    assert made.keys() == {"orders_pb2.py", "orders_pb2.pyi", "orders_pb2_grpc.py", "orders_pb2_grpc.pyi"}
    assert {name: (ROOT / "examples" / "orders" / name).read_text() for name in made} == made
