"""Owns the guard of a gRPC server for threads."""

from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import grpc

from tokensvc_client.blocking import drive
from tokensvc_client.guards.admission import admitted
from tokensvc_client.guards.current import shown
from tokensvc_client.guards.grpc_methods import HEALTH_AND_REFLECTION, Behaviour, Demands, answer_to, guarded
from tokensvc_client.guards.refusal import Refusal
from tokensvc_client.guards.verifiers import NeverSuspending, Verifier

_NONE: Mapping[str, Collection[str]] = MappingProxyType({})


class RequireToken(grpc.ServerInterceptor):
    """Lets a call through that brings a token for `audience` with all `scopes`, in its metadata as HTTP would have it.

    That is `authorization: Bearer ...`, or `authorization: DPoP ...` with `dpop: <proof>`. Others end with
    UNAUTHENTICATED or PERMISSION_DENIED; with UNAVAILABLE where the token cannot be verified now. The handler finds
    what the token says by `current_token()`.
    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        audience: str,
        scopes: Collection[str] = (),
        methods: Mapping[str, Collection[str]] = _NONE,
        open_methods: Collection[str] = HEALTH_AND_REFLECTION,
        origin: str = "",
    ) -> None:
        """`methods` name methods ("/package.Service/Method") with the scopes that they need instead of `scopes`.

        `open_methods` need no token. `origin` is under what callers reach this server: "https://orders.internal".
        Without it tokens that are bound to a key by DPoP are refused: what a call says of its host proves nothing.
        """
        self._verifier = NeverSuspending(verifier)
        self._demands = Demands(audience, scopes, methods, frozenset(open_methods), origin)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "grpc.RpcMethodHandler[Any, Any] | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Verify where the handler runs, not here: this is the thread that all calls come by."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method in self._demands.open_methods:
            return handler

        def unary(behaviour: Behaviour) -> Behaviour:
            def answer(request: Any, context: grpc.ServicerContext) -> Any:
                self._admit(handler_call_details, context)
                return behaviour(request, context)

            return answer

        def stream(behaviour: Behaviour) -> Behaviour:
            def answers(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
                self._admit(handler_call_details, context)
                yield from behaviour(request, context)

            return answers

        return guarded(handler, unary, stream)

    def _admit(self, call: grpc.HandlerCallDetails, context: grpc.ServicerContext) -> None:
        """Hand over what the token says, or end the call. Each call of gRPC has a context for variables of its own."""
        demands = self._demands
        request, scopes = demands.request(call, context), demands.scopes_of(call.method)
        try:
            token = drive(admitted(request, self._verifier, audience=demands.audience, scopes=scopes))
        except Refusal as refusal:
            answer = answer_to(refusal)
            context.set_trailing_metadata(answer.trailers)
            context.abort(answer.code, answer.message)
        shown.set(token)
