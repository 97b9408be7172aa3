"""Owns the guard of a gRPC server for asyncio."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any

import grpc
import grpc.aio

from tokensvc_client.guards.admission import admitted
from tokensvc_client.guards.current import shown
from tokensvc_client.guards.grpc_methods import HEALTH_AND_REFLECTION, Behaviour, Demands, answer_to, guarded
from tokensvc_client.guards.refusal import Refusal
from tokensvc_client.guards.verifiers import AsyncVerifier

_NONE: Mapping[str, Collection[str]] = MappingProxyType({})


class AsyncRequireToken(grpc.aio.ServerInterceptor):
    """Does for a server of grpc.aio what RequireToken does. The handlers that it guards have to be coroutines."""

    def __init__(
        self,
        verifier: AsyncVerifier,
        *,
        audience: str,
        scopes: Collection[str] = (),
        methods: Mapping[str, Collection[str]] = _NONE,
        open_methods: Collection[str] = HEALTH_AND_REFLECTION,
        origin: str = "",
    ) -> None:
        """As for RequireToken."""
        self._verifier = verifier
        self._demands = Demands(audience, scopes, methods, frozenset(open_methods), origin)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Verify where the handler runs: there the connection is known."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method in self._demands.open_methods:
            return handler

        def unary(behaviour: Behaviour) -> Behaviour:
            async def answer(request: Any, context: Any) -> Any:
                await self._admit(handler_call_details, context)
                return await behaviour(request, context)

            return _only_for_asyncio(behaviour, answer)

        def stream(behaviour: Behaviour) -> Behaviour:
            async def answers(request: Any, context: Any) -> AsyncIterator[Any]:
                await self._admit(handler_call_details, context)
                answering = behaviour(request, context)
                if inspect.isawaitable(answering):  # it writes to the context
                    await answering
                    return
                async with aclosing(answering) as many:
                    async for one in many:
                        yield one

            return _only_for_asyncio(behaviour, answers)

        return guarded(handler, unary, stream)

    async def _admit(self, call: grpc.HandlerCallDetails, context: Any) -> None:
        """Hand over what the token says, or end the call. Each call of gRPC is a task of its own."""
        demands = self._demands
        request, scopes = demands.request(call, context), demands.scopes_of(call.method)
        try:
            token = await admitted(request, self._verifier, audience=demands.audience, scopes=scopes)
        except Refusal as refusal:
            answer = answer_to(refusal)
            await context.abort(answer.code, answer.message, answer.trailers)
        shown.set(token)


def _only_for_asyncio(behaviour: Behaviour, guarded_: Behaviour) -> Behaviour:
    if not inspect.iscoroutinefunction(behaviour) and not inspect.isasyncgenfunction(behaviour):
        raise TypeError("AsyncRequireToken guards handlers that are coroutines or asynchronous generators")
    return guarded_
