"""Guards of a service's handlers: who calls shows a token, which is verified in this process.

For gRPC there are `RequireToken` and `AsyncRequireToken`, for ASGI `BearerAuth`; `current_token` is what the call in
hand has shown.
"""

from tokensvc_client.guards.asgi import BearerAuth
from tokensvc_client.guards.current import current_token
from tokensvc_client.guards.grpc_methods import HEALTH_AND_REFLECTION
from tokensvc_client.guards.grpc_server import RequireToken
from tokensvc_client.guards.grpc_server_aio import AsyncRequireToken
from tokensvc_client.guards.verifiers import AsyncVerifier, Verifier

__all__ = [
    "HEALTH_AND_REFLECTION",
    "AsyncRequireToken",
    "AsyncVerifier",
    "BearerAuth",
    "RequireToken",
    "Verifier",
    "current_token",
]
