"""Owns what every RPC passes through: the caller is recognised, and whatever goes wrong becomes a clean status."""

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from tokensvc.domain.client import Client
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.view import View
from tokensvc.ports import Clock, Store
from tokensvc.rpc.caller import Callers
from tokensvc.rpc.errors import status_of
from tokensvc.rpc.message_bytes import deserializer, not_a_message
from tokensvc.rpc.pacing import Pacer
from tokensvc.rpc.refusal_delay import RefusalDelay
from tokensvc.rpc.refused import refusal_of, refusal_of_stranger
from tokensvc.rpc.streams import StreamMethod, Streams
from tokensvc.services.call import Call
from tokensvc.services.refusals import Refusals

Context = grpc.aio.ServicerContext[Any, Any]
Answer = Message | bytes
Handler = Callable[[Any, Context], Awaitable[Any]]
Serve = Callable[["_Rpc"], Awaitable[Any]]
_Begun = tuple[Call | None, Answer | None]

_log = structlog.get_logger(__name__)

# Of the time that the caller gives, what is kept to tell it what went wrong: a share, but never more seconds than this.
_FOR_THE_ANSWER = 0.1
_MOST_FOR_THE_ANSWER = 0.2


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC for authenticated callers; its answer is a message, or one as bytes.

    `max_staleness` reads from a request how old the view of the log may be. `at_once` answers what needs no waiting;
    where it answers None, and where there is none, `serve` has to.
    """

    serve: Callable[[Call, Any], Awaitable[Answer]]
    max_staleness: Callable[[Any], int] | None = None
    at_once: Callable[[Call, Any], Answer | None] | None = None


@dataclass(frozen=True, slots=True)
class OpenMethod:
    """An RPC for everybody."""

    serve: Callable[[Any, Context], Awaitable[Message]]


AnyMethod = Method | OpenMethod | StreamMethod


@dataclass(slots=True)
class _Rpc:
    """A call on its way: `view` is the log as it was found, `caller` the client that calls, when it is recognised."""

    request: Any
    context: Context
    view: View | None = None
    caller: Client | None = None

    def time_to_work(self) -> float | None:
        """How many seconds are left until it has to be answered; None for as many as it takes."""
        remaining: float | None = self.context.time_remaining()
        return None if remaining is None else remaining - min(remaining * _FOR_THE_ANSWER, _MOST_FOR_THE_ANSWER)

    async def abort(self, refusal: RefusedError) -> None:
        """Answer with `refusal`, in trailers alone, so that clients may retry (gRFC A6)."""
        try:
            await self.context.abort(*status_of(refusal))
        except grpc.aio.AbortError as ending:
            # gRPC keeps it with the call and raises it again: with our frames in it, both would be kept in a cycle.
            ending.with_traceback(None)


class Guard:
    """Turns methods into gRPC handlers."""

    def __init__(
        self, store: Store, callers: Callers, refusals: Refusals, clock: Clock, *, pace: float, refusal_delay: float
    ) -> None:
        """`pace` and `refusal_delay` are in seconds."""
        self._store = store
        self._refusals = refusals
        self._clock = clock
        self._callers = callers
        self._streams = Streams(store, self._callers, clock)
        self._arrivals = Pacer(pace, store.view)
        self._answers = Pacer(pace, _nothing)
        self._delay = RefusalDelay(refusal_delay)
        self.under_way = 0  # RPCs whose answer is not ready

    @property
    def counts(self) -> Mapping[str, int]:
        """What pacing has done since it began, on the way in and on the way out."""
        inward, outward = asdict(self._arrivals.counts), asdict(self._answers.counts)
        return {name: inward[name] + outward[name] for name in inward}

    def end_waits(self) -> None:
        """End all answers that are streams, without an error; give those that wait, and let none wait from now on."""
        self._streams.end_all()
        self._delay.stop()

    def service(self, descriptor: ServiceDescriptor, methods: Mapping[str, AnyMethod]) -> grpc.GenericRpcHandler:
        """Answer the handler of a whole service; what `methods` does not name is UNIMPLEMENTED."""
        handlers = {method.name: self._rpc(method, methods.get(method.name)) for method in descriptor.methods}
        return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)

    def _rpc(self, descriptor: MethodDescriptor, method: AnyMethod | None) -> "grpc.RpcMethodHandler[Any, Any]":
        handler = self._handler(descriptor.name, method) if method else _not_implemented
        read = deserializer(message_factory.GetMessageClass(descriptor.input_type))
        write = _serializer(message_factory.GetMessageClass(descriptor.output_type))
        if descriptor.server_streaming:
            return grpc.unary_stream_rpc_method_handler(handler, read, write)
        return grpc.unary_unary_rpc_method_handler(handler, read, write)

    def _handler(self, name: str, method: AnyMethod) -> Handler:
        serve = self._serving(method)

        async def handle(request: Message | None, context: Context) -> Any:
            rpc = _Rpc(request, context)
            self.under_way += 1
            try:
                try:
                    return await serve(rpc) if request is not None else _refuse_bytes()
                except RefusedError as error:
                    self._note(name, error, rpc)
                    refusal = error.with_traceback(None)  # its frames would be kept with it, and it may have to wait
                except Exception as error:  # noqa: BLE001 - the one place where a defect is kept from the wire
                    refusal = _defect(error)
                await self._refuse(rpc, refusal)
            finally:
                self.under_way -= 1

        return handle

    def _note(self, name: str, error: RefusedError, rpc: _Rpc) -> None:
        if rpc.view is None or error.is_recorded or error.wanted_nonce:
            return  # nothing is known of the caller, it has been written with what it is about, or is a step on the way
        if rpc.caller is None:
            claimed = self._callers.claimed_client(rpc.context)
            self._refusals.note(refusal_of_stranger(name, error, rpc.view, rpc.context, claimed))
        else:
            self._refusals.note(refusal_of(name, error, rpc.view, rpc.caller, rpc.request))

    async def _refuse(self, rpc: _Rpc, refusal: RefusedError) -> None:
        left = rpc.context.time_remaining()
        most = math.inf if left is None else left / 2  # it must arrive in time, also where much is under way
        if not refusal.wanted_nonce:
            await self._delay.turn(rpc.caller.client_id if rpc.caller else "", refusal.reason, most)
        await self._answers.turn(_go)
        await rpc.abort(refusal)

    def _serving(self, method: AnyMethod) -> Serve:
        match method:
            case OpenMethod():
                return lambda rpc: method.serve(rpc.request, rpc.context)
            case StreamMethod():
                return self._stream(method)
            case Method():
                return _in_time(self._unary(method))

    def _unary(self, method: Method) -> Serve:
        async def serve(rpc: _Rpc) -> Answer:
            request = rpc.request

            def begin(view: View) -> _Begun:
                call = self._recognised(rpc, view)
                return call, method.at_once(call, request) if call and method.at_once else None

            if staleness := method.max_staleness(request) if method.max_staleness else 0:
                call, answer = begin(await self._store.view(max_staleness=staleness))
            else:
                call, answer = await self._arrivals.turn(begin)
            if answer is None:
                call = call or await self._redeemed(rpc)
                answer = await method.serve(call, request)
                await self._answers.turn(_go)
            return answer

        return serve

    def _recognised(self, rpc: _Rpc, view: View) -> Call | None:
        """The call, if who makes it can be told at once; None if that has to wait for `_redeemed`."""
        rpc.view = view
        rpc.caller = self._callers.recognise(rpc.context, view, self._clock())
        return Call(rpc.caller, view, view.revision) if rpc.caller else None

    async def _redeemed(self, rpc: _Rpc) -> Call:
        view = await self._store.view()
        revision = view.revision
        rpc.caller = await self._callers.redeem(rpc.context, view, self._clock())
        return Call(rpc.caller, view, revision)

    def _stream(self, method: StreamMethod) -> Serve:
        async def serve(rpc: _Rpc) -> None:
            call = self._recognised(rpc, await self._store.view()) or await self._redeemed(rpc)
            await self._streams.send(method, call, rpc.request, rpc.context)

        return serve


def _in_time(serve: Serve) -> Serve:
    async def serve_until(rpc: _Rpc, left: float) -> Any:
        try:
            async with asyncio.timeout(left):
                return await serve(rpc)
        except TimeoutError:
            raise RefusedError(Reason.STORE_UNAVAILABLE, "the database has not answered in time") from None

    def serve_in_time(rpc: _Rpc) -> Awaitable[Any]:
        left = rpc.time_to_work()
        return serve(rpc) if left is None else serve_until(rpc, left)

    return serve_in_time


async def _nothing() -> None:
    """What answers need before they are sent."""


def _go(_prepared: None) -> None:
    """All that is left is to send it."""


def _defect(error: Exception) -> RefusedError:
    """Log the defect under an id and tell the caller nothing but the id."""
    request_id = secrets.token_hex(8)
    _log.error("internal error", request_id=request_id, exc_info=error)
    return RefusedError(Reason.INTERNAL, f"internal error, request id {request_id}")


def _refuse_bytes() -> NoReturn:
    raise not_a_message()


async def _not_implemented(request: object, context: Context) -> None:
    await _Rpc(request, context).abort(RefusedError(Reason.NOT_IMPLEMENTED, "this method is not offered yet"))


def _serializer(message_class: type[Message]) -> Callable[[Any], bytes]:
    write = message_class.SerializeToString

    def serialize(answer: Any) -> bytes:
        return answer if isinstance(answer, bytes) else write(answer)

    return serialize
