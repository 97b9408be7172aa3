"""A closed loop of unary gRPC calls over few connections that costs far less CPU than the server it loads."""

import math
import select
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache

from bench.http2 import SILENCE_SECONDS, Connection, plain_header

_PREFIX = struct.Struct(">BI")  # whether a message is compressed, and its length

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Caller:
    """Where to call, and the metadata of who does."""

    address: Address
    authorization: str = field(repr=False)

    def connect(self, path: str) -> Connection:
        """A connection for calls of one method."""
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": f"{self.address[0]}:{self.address[1]}",
            "te": "trailers",
            "content-type": "application/grpc",
            "user-agent": "tokensvc-bench",
            "authorization": self.authorization,
        }
        return Connection(self.address, headers)


NextRequest = Callable[[int], bytes | None]
"""Returns the serialized request for a free slot, or None when the slot has nothing more to send."""

OnResponse = Callable[[int, bytes], None]
"""Takes the serialized response that a slot's request got."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a run measured; `completed` and the latencies are of the calls answered OK only."""

    completed: int
    errors: int
    first_error: str
    """The first failed call's error, or why the connection ended the run early, or empty."""
    seconds: float
    """From the first request to the last answer."""
    latencies_us: list[int]
    """Sorted, from queuing a request to the read that completed its answer."""

    @property
    def rate(self) -> float:
        """Calls answered OK per second."""
        return self.completed / self.seconds if self.completed else 0.0

    def percentile(self, q: float) -> float:
        """The latency in ms that `q` percent (0 to 100) of the calls stay within, NaN without calls."""
        return percentile(self.latencies_us, q) / 1000


def percentile(ordered: Sequence[float], q: float) -> float:
    """The value that `q` percent (0 to 100) of the `ordered` ones do not exceed, NaN without any."""
    if not ordered:
        return math.nan
    rank = math.ceil(len(ordered) * q / 100)
    return ordered[max(rank, 1) - 1]


def run_load(
    callers: Sequence[Caller],
    path: str,
    next_request: NextRequest,
    on_response: OnResponse | None,
    *,
    in_flight: int,
    limit_seconds: float,
    limit_requests: int | None = None,
) -> LoadResult:
    """Keep `in_flight` calls of one method going until a limit, then wait for those still in flight.

    There is a connection for each of `callers`, and each slot stays with one of them: slot 0 with the first, and so on.
    A failed call is counted and its slot asked for the next request like any other. A server that falls silent or hangs
    up with calls in flight raises TimeoutError or ConnectionError.
    """
    with ExitStack() as stack:
        lanes = [_Lane(stack.enter_context(caller.connect(path))) for caller in callers]
        most = min(lane.connection.max_streams for lane in lanes) * len(lanes)
        if in_flight > most:
            raise ValueError(f"the server takes {most} streams, not {in_flight}")
        run = _Run(lanes, next_request, on_response, limit_requests)
        return run.drive(in_flight, limit_seconds)


@dataclass(slots=True, eq=False)
class _Lane:
    """A connection and its calls in flight: by stream, the slot and when it was queued."""

    connection: Connection
    flying: dict[int, tuple[int, int]] = field(default_factory=dict)

    def fileno(self) -> int:
        return self.connection.fileno()


class _Run:
    """The slots of one run and what has been measured of them."""

    def __init__(
        self,
        lanes: Sequence[_Lane],
        next_request: NextRequest,
        on_response: OnResponse | None,
        limit_requests: int | None,
    ) -> None:
        self._lanes = lanes
        self._next_request = next_request
        self._on_response = on_response
        self._budget = math.inf if limit_requests is None else limit_requests
        self._latencies_ns: list[int] = []
        self._errors = 0
        self._first_error = ""

    def drive(self, in_flight: int, limit_seconds: float) -> LoadResult:
        """Fill every slot, refill each as it is answered, and report once all are idle."""
        started = now = time.perf_counter_ns()
        deadline = started + int(limit_seconds * 1e9)
        for slot in range(in_flight):
            self._issue(self._lanes[slot % len(self._lanes)], slot)
        while any(lane.flying for lane in self._lanes):
            for lane in self._readable():
                answers = lane.connection.exchange()
                # One clock reading per read: what the callbacks below take is not the server's latency.
                now = time.perf_counter_ns()
                for stream, data, trailers, broken in answers:
                    body, error = (b"", broken) if broken else _outcome(data, trailers)
                    slot = self._settle(lane, stream, body, error, now)
                    if now < deadline:
                        self._issue(lane, slot)
        return LoadResult(
            completed=len(self._latencies_ns),
            errors=self._errors,
            first_error=self._first_error or next(filter(None, (lane.connection.closing for lane in self._lanes)), ""),
            seconds=(now - started) / 1e9,
            latencies_us=sorted(latency // 1000 for latency in self._latencies_ns),
        )

    def _readable(self) -> Sequence[_Lane]:
        """Send what is queued and wait; answer the lanes with something to read (a lone one waits in its own read)."""
        if len(self._lanes) == 1:
            return self._lanes
        full = [lane for lane in self._lanes if not lane.connection.send()]
        readable, writable, _ = select.select(self._lanes, full, [], SILENCE_SECONDS)
        if not readable and not writable:
            raise TimeoutError(f"no byte from any server in {SILENCE_SECONDS} s")
        return readable

    def _issue(self, lane: _Lane, slot: int) -> None:
        if self._budget <= 0 or lane.connection.closing:
            return
        message = self._next_request(slot)
        if message is None:
            return
        self._budget -= 1
        queued = time.perf_counter_ns()
        stream = lane.connection.submit(_PREFIX.pack(0, len(message)) + message)
        lane.flying[stream] = (slot, queued)

    def _settle(self, lane: _Lane, stream: int, body: bytes, error: str, now: int) -> int:
        slot, queued = lane.flying.pop(stream)
        if error:
            self._errors += 1
            self._first_error = self._first_error or error
        else:
            self._latencies_ns.append(now - queued)
            if self._on_response:
                self._on_response(slot, body)
        return slot


def _outcome(data: bytes, trailers: bytes) -> tuple[bytes, str]:
    """Return the messages in a stream's data without their prefixes, or the error of its call."""
    error = _status_error(trailers)
    if error:
        return b"", error
    messages, start = [], 0
    while start + 5 <= len(data):
        compressed, length = _PREFIX.unpack_from(data, start)
        if compressed:
            return b"", "the answer is compressed, which was not offered"
        messages.append(data[start + 5 : start + 5 + length])
        start += 5 + length
    if start != len(data) or not messages:
        return b"", "the answer has no whole message"
    return b"".join(messages), ""


@lru_cache(maxsize=64)
def _status_error(trailers: bytes) -> str:
    """Return the error in the trailers; those of good answers are the same bytes, hence the cache."""
    status = plain_header(trailers, "grpc-status")
    if status == "0":
        return ""
    if not status:
        return f"no readable grpc-status in {trailers!r}"
    return f"grpc-status {status}: {plain_header(trailers, 'grpc-message') or repr(trailers)}"
