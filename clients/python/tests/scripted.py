"""A server that answers as a test says, and remembers what it was asked."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from tokensvc_client import rpcs

RPCS = {rpc.path: rpc for rpc in vars(rpcs).values() if isinstance(rpc, rpcs.Rpc)}
LIMIT = 10.0


@dataclass(frozen=True)
class Refusal:
    """What a call is refused with."""

    code: grpc.StatusCode
    reason: str = ""
    at_fault: str = ""
    retry_after: float = 0.0
    metadata: dict[str, str] = field(default_factory=dict)
    trailers: tuple[tuple[str, str | bytes], ...] = ()

    def metadata_of_status(self) -> tuple[tuple[str, str | bytes], ...]:
        details: list[Message] = []
        if self.reason:
            details.append(error_details_pb2.ErrorInfo(reason=self.reason, domain="tokensvc", metadata=self.metadata))
        if self.at_fault:
            violation = error_details_pb2.BadRequest.FieldViolation(field=self.at_fault)
            details.append(error_details_pb2.BadRequest(field_violations=[violation]))
        if self.retry_after:
            delay = duration_pb2.Duration(nanos=int(self.retry_after * 1e9))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        packed = []
        for detail in details:
            packed.append(any_pb2.Any())
            packed[-1].Pack(detail)
        status = status_pb2.Status(code=self.code.value[0], message="refused", details=packed).SerializeToString()
        return (("grpc-status-details-bin", status), *self.trailers)


@dataclass(frozen=True)
class Asked:
    """A call as the server got it."""

    method: str
    request: Any
    authorization: str
    seconds_left: float
    peer_names: tuple[str, ...]


Answer = Message | Refusal
Script = Callable[[Asked], Answer]


class Scripted(grpc.GenericRpcHandler):
    """Answers by `script`, streams `steps`; `calls` are those that came. Its address is set when it serves."""

    def __init__(self) -> None:
        self.script: Script = lambda asked: RPCS[f"/tokensvc.v1.{asked.method}"].answer()
        self.calls: list[Asked] = []
        self.steps: Iterator[Message] = iter(())
        self.address = ""
        self._has_come = threading.Condition()

    @property
    def methods(self) -> list[str]:
        """The methods that were called, without their service."""
        return [asked.method.partition("/")[2] for asked in self.calls]

    def wait_for(self, count: int) -> None:
        """Return when so many calls have come."""
        with self._has_come:
            assert self._has_come.wait_for(lambda: len(self.calls) >= count, LIMIT)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        rpc = RPCS[details.method]
        if "/Watch" in details.method:
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self.steps,
                request_deserializer=rpc.request.FromString,
                response_serializer=rpc.answer.SerializeToString,
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._answer(details.method, request, context),
            request_deserializer=rpc.request.FromString,
            response_serializer=rpc.answer.SerializeToString,
        )

    def _answer(self, path: str, request: Any, context: grpc.ServicerContext) -> Message:
        authorization = dict(context.invocation_metadata()).get("authorization", "")
        names = tuple(name.decode() for name in context.peer_identities() or ())
        method = path.removeprefix("/tokensvc.v1.")
        left = context.time_remaining()
        asked = Asked(method, request, authorization, left if left is not None else float("inf"), names)
        with self._has_come:
            self.calls.append(asked)
            self._has_come.notify_all()
        answer = self.script(asked)
        if isinstance(answer, Message):
            return answer
        context.set_trailing_metadata(answer.metadata_of_status())
        context.abort(answer.code, "refused")
        raise AssertionError


@contextmanager
def scripted(credentials: grpc.ServerCredentials | None = None) -> Iterator[Scripted]:
    """A server that runs."""
    handler = Scripted()
    server = grpc.server(ThreadPoolExecutor(8), handlers=[handler], options=[("grpc.so_reuseport", 0)])
    port = (
        server.add_insecure_port("127.0.0.1:0")
        if credentials is None
        else server.add_secure_port("127.0.0.1:0", credentials)
    )
    handler.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield handler
    finally:
        server.stop(None).wait()


def each_in_turn(*answers: Answer) -> Script:
    """A script: the answers one after the other, then the last again."""
    left = list(answers)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fails when it takes too long."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)  # it is another thread that will make it hold, and it tells nobody
