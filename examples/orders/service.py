"""The orders service. Who calls it shows an access token, which is verified here, without a call for each request.

It is told of revocations by a stream: a token that was revoked anywhere is refused here some milliseconds later.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tokensvc_client import AsyncTokenClient, Credentials
from tokensvc_client.guards import AsyncRequireToken, current_token
from tokensvc_client.revocations import AsyncRevocationFeed
from tokensvc_client.verification import AsyncClientSource, AsyncTokenVerifier, VerificationPolicy

from examples.orders import orders_pb2, orders_pb2_grpc

AUDIENCE = "orders-api"
SCOPES = {
    "/shop.v1.Orders/ListOrders": ["orders.read"],
    "/shop.v1.Orders/PlaceOrder": ["orders.write"],
    "/shop.v1.Orders/CountItems": ["orders.report"],
}
MOST_ORDERS = 10_000


class Orders(orders_pb2_grpc.OrdersServicer):
    """The handlers. They run only for callers whose token has the scope; they decide what is whose."""

    def __init__(self) -> None:
        self._orders: list[tuple[str, orders_pb2.Order]] = []

    async def ListOrders(self, request: orders_pb2.ListOrdersRequest, context: Any) -> orders_pb2.ListOrdersResponse:
        """The subject is the only one whose orders are shown: it comes from the token, never from the request."""
        me = current_token().subject
        return orders_pb2.ListOrdersResponse(orders=[order for owner, order in self._orders if owner == me])

    async def PlaceOrder(self, request: orders_pb2.PlaceOrderRequest, context: Any) -> orders_pb2.PlaceOrderResponse:
        """Remember an order of the caller."""
        if not request.item:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "item: is missing")
        if len(self._orders) >= MOST_ORDERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the book is full")
        caller = current_token()
        order = orders_pb2.Order(item=request.item, device_id=caller.device_id)
        self._orders.append((caller.subject, order))
        return orders_pb2.PlaceOrderResponse(order=order)

    async def CountItems(self, request: orders_pb2.CountItemsRequest, context: Any) -> orders_pb2.CountItemsResponse:
        """How often each item was ordered."""
        return orders_pb2.CountItemsResponse(counts=Counter(order.item for _, order in self._orders))


@asynccontextmanager
async def serving(token_service: str, issuer: str, credentials: Credentials) -> AsyncIterator[str]:
    """Serve on a free port of loopback; answer the address. `credentials` are of a client with the permission watch."""
    async with AsyncTokenClient(token_service, credentials=credentials) as client:
        source = AsyncClientSource(client)
        async with AsyncRevocationFeed(source) as feed:
            # Until the feed is there, and whenever it has been away for longer than this, callers get UNAVAILABLE.
            verifier = AsyncTokenVerifier(issuer, source, feed, VerificationPolicy(max_staleness=5))
            # A method that is forgotten in SCOPES needs a scope that nobody has.
            guard = AsyncRequireToken(verifier, audience=AUDIENCE, scopes=["none"], methods=SCOPES)
            server = grpc.aio.server(interceptors=[guard], maximum_concurrent_rpcs=100)
            orders_pb2_grpc.add_OrdersServicer_to_server(Orders(), server)
            add_health_and_reflection(server)
            port = server.add_insecure_port("127.0.0.1:0")  # elsewhere only with TLS: who reads a token can use it
            await server.start()
            try:
                await feed.wait_until_fresh(timeout=10)
                yield f"127.0.0.1:{port}"
            finally:
                await server.stop(grace=2)


def add_health_and_reflection(server: grpc.aio.Server) -> None:
    """What the guard leaves open: probes have no tokens, and grpcurl asks what there is."""
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = (orders_pb2.DESCRIPTOR.services_by_name["Orders"].full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
