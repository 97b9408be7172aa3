"""Owns what every RPC passes through: the caller is recognised, and whatever goes wrong becomes a clean status."""

import math
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import grpc
import structlog
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message

from tokensvc.domain.errors import Reason, RefusedError, overloaded
from tokensvc.domain.value import value
from tokensvc.domain.view import View
from tokensvc.ports import Clock, Store
from tokensvc.rpc.caller import Callers
from tokensvc.rpc.incoming import Context, Rpc, Serve, in_time
from tokensvc.rpc.message_bytes import MOST_BYTES, READ_FOR_ALL, Read, check_length, not_a_message, writer
from tokensvc.rpc.pacing import Pacer
from tokensvc.rpc.rate_limits import RateLimits, Seconds
from tokensvc.rpc.refusal_delay import MOST_WAITING, RefusalDelay
from tokensvc.rpc.refused import refusal_of, refusal_of_stranger
from tokensvc.rpc.streams import StreamMethod, Streams
from tokensvc.services.call import Call
from tokensvc.services.refusals import Refusals

Answer = Message | bytes
Handler = Callable[[Any, Context], Awaitable[Any]]
_Begun = tuple[Call | None, Answer | None]

_log = structlog.get_logger(__name__)

LONGEST_STALENESS: Final = 10_000  # milliseconds: the caller itself is recognised from a view that may be so old
_TURNED_AWAY: Final = {Reason.OVERLOADED: "overloaded", Reason.RATE_LIMITED: "rate_limited"}


@value(frozen=True, slots=True)
class Method:
    """An RPC for authenticated callers; its answer is a message, or one as bytes.

    `max_staleness` reads from a request how old the view of the log may be. `at_once` answers what needs no waiting;
    where it answers None, and where there is none, `serve` has to. A request has `most_bytes`, and counts as so many
    `calls` of a caller with a rate limit, or as one. One that `asks_certificate` is told of the connection's.
    """

    serve: Callable[[Call, Any], Awaitable[Answer]]
    max_staleness: Callable[[Any], int] | None = None
    at_once: Callable[[Call, Any], Answer | None] | None = None
    calls: Callable[[Any], int] | None = None
    most_bytes: int = MOST_BYTES
    asks_certificate: bool = False


@value(frozen=True, slots=True)
class OpenMethod:
    """An RPC for everybody."""

    serve: Callable[[Any, Context], Awaitable[Message]]


AnyMethod = Method | OpenMethod | StreamMethod


class Guard:
    """Turns methods into gRPC handlers."""

    def __init__(
        self,
        store: Store,
        callers: Callers,
        refusals: Refusals,
        clock: Clock,
        monotonic: Seconds,
        *,
        pace: float,
        refusal_delay: float,
        max_concurrent_rpcs: int,
        max_streams: int,
    ) -> None:
        """`pace` and `refusal_delay` are in seconds; rate limits go by `monotonic`."""
        self._store = store
        self._refusals = refusals
        self._clock = clock
        self._callers = callers
        self._streams = Streams(store, callers, clock, most=max_streams)
        self._arrivals = Pacer(pace, store.view)
        self._answers = Pacer(pace, _nothing)
        self._delay = RefusalDelay(refusal_delay)
        self._rates = RateLimits(monotonic)
        self.most = max_concurrent_rpcs  # RPCs that are worked on at a time
        self._turned_away = Counter(dict.fromkeys(_TURNED_AWAY.values(), 0))
        self.under_way = 0  # RPCs whose answer is not ready

    @property
    def counts(self) -> Mapping[str, int]:
        """What pacing has done since it began, on the way in and on the way out, and how many RPCs were turned away."""
        inward, outward = asdict(self._arrivals.counts), asdict(self._answers.counts)
        return {**{name: inward[name] + outward[name] for name in inward}, **self._turned_away}

    @property
    def capacity(self) -> int:
        """How many RPCs may be there at once: those that are worked on, refusals that wait, and streams."""
        return self.most + MOST_WAITING + self._streams.most

    @property
    def is_idle(self) -> bool:
        """Whether no answer is to come any more, but for the ends of streams that nobody reads."""
        return self.under_way <= self._streams.ended

    def end_waits(self) -> None:
        """End all answers that are streams, without an error; give those that wait, and let none wait from now on."""
        self._streams.end_all()
        self._delay.stop()

    def service(self, descriptor: ServiceDescriptor, methods: Mapping[str, AnyMethod]) -> grpc.GenericRpcHandler:
        """Answer the handler of a whole service; what `methods` does not name is UNIMPLEMENTED."""
        handlers = {method.name: self._rpc(method, methods.get(method.name)) for method in descriptor.methods}
        return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)

    def _rpc(self, descriptor: MethodDescriptor, method: AnyMethod | None) -> "grpc.RpcMethodHandler[Any, Any]":
        read = message_factory.GetMessageClass(descriptor.input_type).FromString
        write = writer(message_factory.GetMessageClass(descriptor.output_type))
        handler = self._handler(descriptor.name, self._serving(method, read)) if method else _not_implemented
        if descriptor.server_streaming:
            return grpc.unary_stream_rpc_method_handler(handler, None, write)
        return grpc.unary_unary_rpc_method_handler(handler, None, write)

    def _handler(self, name: str, serve: Serve) -> Handler:
        async def handle(data: bytes, context: Context) -> Any:
            rpc = Rpc(data, context)
            if self.under_way >= self.most and self._is_full():
                return await self._turn_away(rpc)
            self.under_way += 1
            try:
                try:
                    return await serve(rpc)
                except RefusedError as error:
                    self._note(name, error, rpc)
                    refusal = error.with_traceback(None)  # its frames would be kept with it, and it may have to wait
                except DecodeError:  # of the request: nothing else is read here that others have written
                    refusal = not_a_message()
                except Exception as error:  # noqa: BLE001 - the one place where a defect is kept from the wire
                    refusal = _defect(error)
                await self._refuse(rpc, refusal)
            finally:
                self.under_way -= 1

        return handle

    def _is_full(self) -> bool:
        """Whether as many RPCs are worked on as may be; refusals that wait, and streams, have bounds of their own."""
        return self.under_way - self._delay.waiting - self._streams.open >= self.most

    async def _turn_away(self, rpc: Rpc) -> None:
        """Refuse without a look at what is asked and who asks; those turned away together are answered together."""
        self._turned_away[_TURNED_AWAY[Reason.OVERLOADED]] += 1
        await self._answers.turn(_go)
        await rpc.abort(overloaded("too many calls are under way"))

    def _note(self, name: str, error: RefusedError, rpc: Rpc) -> None:
        if error.reason in _TURNED_AWAY:
            self._turned_away[_TURNED_AWAY[error.reason]] += 1
        if rpc.view is None or error.is_recorded or error.wanted_nonce:
            return  # nothing is known of the caller, it has been written with what it is about, or is a step on the way
        if rpc.caller is None:
            claimed = self._callers.claimed_client(rpc.context, rpc.view)
            self._refusals.note(refusal_of_stranger(name, error, rpc.view, rpc.context, claimed))
        else:
            self._refusals.note(refusal_of(name, error, rpc.view, rpc.caller, rpc.request))

    async def _refuse(self, rpc: Rpc, refusal: RefusedError) -> None:
        left = rpc.context.time_remaining()
        most = math.inf if left is None else left / 2  # it must arrive in time, also where much is under way
        if not refusal.wanted_nonce:
            await self._delay.turn(rpc.caller.client_id if rpc.caller else "", refusal.reason, most)
        await self._answers.turn(_go)
        await rpc.abort(refusal)

    def _serving(self, method: AnyMethod, read: Read) -> Serve:
        match method:
            case OpenMethod():
                return _open(method, read)
            case StreamMethod():
                return self._stream(method, read)
            case Method():
                return in_time(self._unary(method, read))

    def _unary(self, method: Method, read: Read) -> Serve:
        async def serve(rpc: Rpc) -> Answer:
            if len(rpc.data) > READ_FOR_ALL:
                check_length(rpc.data, method.most_bytes)
                await self._admit(rpc)
            request = rpc.request = read(rpc.data)

            def begin(view: View) -> _Begun:
                call = self._recognised(rpc, view)
                if call is None:
                    return None, None
                self._rates.count(call.caller, method.calls(request) if method.calls else 1)
                return call, method.at_once(call, request) if method.at_once else None

            if staleness := method.max_staleness(request) if method.max_staleness else 0:
                call, answer = begin(await self._store.view(max_staleness=staleness))
            else:
                call, answer = await self._arrivals.turn(begin)
            if answer is None:
                if call is None:
                    call = await self._redeemed(rpc)
                    self._rates.count(call.caller, method.calls(request) if method.calls else 1)
                if method.asks_certificate:
                    call = call._replace(certificate=self._callers.certificate_hash(rpc.context))
                answer = await method.serve(call, request)
                await self._answers.turn(_go)
            return answer

        return serve

    async def _admit(self, rpc: Rpc) -> None:
        """Refuse the call of a stranger. Whom an older view knows is let in: who calls is looked at once more."""
        try:
            known = self._recognised(rpc, await self._store.view(max_staleness=LONGEST_STALENESS))
        except RefusedError:
            known = None  # it may be new
        known = known or self._recognised(rpc, await self._store.view()) or await self._redeemed(rpc)
        self._rates.check(known.caller)

    def _recognised(self, rpc: Rpc, view: View) -> Call | None:
        """The call, if who makes it can be told at once; None if that has to wait for `_redeemed`."""
        rpc.view, rpc.caller = view, None
        rpc.caller = self._callers.recognise(rpc.context, view, self._clock())
        return Call(rpc.caller, view, view.revision) if rpc.caller else None

    async def _redeemed(self, rpc: Rpc) -> Call:
        view = await self._store.view()
        revision = view.revision
        rpc.caller = await self._callers.redeem(rpc.context, view, self._clock(), self._rates.check)
        return Call(rpc.caller, view, revision)

    def _stream(self, method: StreamMethod, read: Read) -> Serve:
        async def serve(rpc: Rpc) -> None:
            call = self._recognised(rpc, await self._store.view()) or await self._redeemed(rpc)
            self._rates.count(call.caller, 1)
            check_length(rpc.data, MOST_BYTES)
            rpc.request = read(rpc.data)
            await self._streams.send(method, call, rpc.request, rpc.context)

        return serve


def _open(method: OpenMethod, read: Read) -> Serve:
    def serve(rpc: Rpc) -> Awaitable[Message]:
        check_length(rpc.data, READ_FOR_ALL)
        return method.serve(read(rpc.data), rpc.context)

    return serve


async def _nothing() -> None:
    """What answers need before they are sent."""


def _go(_prepared: None) -> None:
    """All that is left is to send it."""


def _defect(error: Exception) -> RefusedError:
    """Log the defect under an id and tell the caller nothing but the id."""
    request_id = secrets.token_hex(8)
    _log.error("internal error", request_id=request_id, exc_info=error)
    return RefusedError(Reason.INTERNAL, f"internal error, request id {request_id}")


async def _not_implemented(data: bytes, context: Context) -> None:
    await Rpc(data, context).abort(RefusedError(Reason.NOT_IMPLEMENTED, "this method is not offered yet"))
