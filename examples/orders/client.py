"""A service that calls another one in its own name: `python -m examples.orders.client 127.0.0.1:PORT`.

It gets an access token from tokensvc, keeps it fresh, and shows it with each call.
"""

import os
import sys

import grpc
from tokensvc_client import Secret, TokenClient
from tokensvc_client.service_token import ServiceToken, ServiceTokenInterceptor

from examples.orders import orders_pb2, orders_pb2_grpc


def report(orders_service: str, token_service: str, credentials: Secret) -> dict[str, int]:
    """What was ordered how often."""
    with TokenClient(token_service, credentials=credentials) as client:
        token = ServiceToken(client, subject=credentials.client_id, audiences=["orders-api"], scopes=["orders.report"])
        with grpc.insecure_channel(orders_service) as plain:
            channel = grpc.intercept_channel(plain, ServiceTokenInterceptor(token))
            answer = orders_pb2_grpc.OrdersStub(channel).CountItems(orders_pb2.CountItemsRequest(), timeout=5)
    return dict(answer.counts)


if __name__ == "__main__":
    me = Secret(os.environ["TOKENSVC_CLIENT_ID"], os.environ["TOKENSVC_CLIENT_SECRET"])
    for item, count in sorted(report(sys.argv[1], os.environ["TOKENSVC_ADDRESS"], me).items()):
        print(f"{count} {item}")
