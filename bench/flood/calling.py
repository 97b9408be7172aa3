"""Owns who calls: one with always so many calls in flight, whatever is answered, and one at random moments."""

import random
import select
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from bench.cases import SERVICE, Traffic
from bench.flood.forging import FORGERIES, Genuine
from bench.http2 import SILENCE_SECONDS, Connection, plain_header
from bench.load import Caller, LoadResult

REFRESH: Final = SERVICE + "Refresh"
INTROSPECT: Final = SERVICE + "Introspect"
STREAMS: Final = 250  # of a connection; common servers and proxies take 100 or more
_FIRST: Final = 50  # calls that a connection begins with
_GLANCE: Final = 0.05  # seconds after which is asked again whether it is over

Requests = Iterator[tuple[str, bytes]]
"""Serialized requests, each with the name of its kind."""

Answers = Counter[tuple[str, int, str]]
"""How many answers there were to each kind of request, by status code and message."""


def bad_refreshes(genuine: Genuine, tokens: int) -> Requests:
    """So many bad tokens, each another one, the kinds taking turns."""
    for kind, forge in islice(cycle(FORGERIES.items()), tokens):
        yield kind, pb.RefreshRequest(refresh_token=forge(genuine)).SerializeToString()


def in_rotation(messages: Sequence[bytes], seconds: float) -> Requests:
    """The same requests again and again for a time."""
    until = time.perf_counter() + seconds
    for message in cycle(messages):
        if time.perf_counter() > until:
            return
        yield "good", message


@dataclass(frozen=True, slots=True)
class Poured:
    """What came of a load."""

    answers: Answers
    seconds: float

    @property
    def rate(self) -> float:
        """Answers a second, good and bad."""
        return self.answers.total() / self.seconds


@dataclass(slots=True, eq=False)
class _Pipe:
    """A connection, how many calls it takes at a time, and those in flight: by stream, the kind of the request."""

    connection: Connection
    most: int
    flying: dict[int, str] = field(default_factory=dict)
    sent: int = 0

    def fileno(self) -> int:
        """The socket, for select."""
        return self.connection.fileno()

    def fill(self, requests: Requests) -> None:
        """Send as many as it takes; at first fewer, because gRPC turns some away where a thousand wait to begin."""
        room = min(self.most, _FIRST + self.sent // 2) - len(self.flying)
        for kind, message in islice(requests, max(room, 0)):
            self.flying[self.connection.submit(_framed(message))] = kind
            self.sent += 1

    def take(self, answers: Answers) -> None:
        """Count the answers that are there."""
        for stream, _data, trailers, broken in self.connection.exchange():
            answers[self.flying.pop(stream), *_status(trailers, broken)] += 1


def pour(caller: Caller, path: str, in_flight: int, make: Callable[[], Requests]) -> Poured:
    """Send all requests, `in_flight` of them at a time, over as many connections as that takes."""
    requests, answers = make(), Answers()
    began = time.perf_counter()
    with ExitStack() as stack:
        shares = [min(STREAMS, in_flight - first) for first in range(0, in_flight, STREAMS)]
        pipes = [_Pipe(stack.enter_context(caller.connect(path)), share) for share in shares]
        while True:
            for pipe in pipes:
                pipe.fill(requests)
            if not any(pipe.flying for pipe in pipes):
                return Poured(answers, time.perf_counter() - began)
            full = [pipe for pipe in pipes if not pipe.connection.send()]
            readable, writable, _ = select.select(pipes, full, [], SILENCE_SECONDS)
            if not readable and not writable:
                raise TimeoutError(f"no answer in {SILENCE_SECONDS} s")
            for pipe in readable:
                pipe.take(answers)


def rest(seconds: float) -> None:
    """Do nothing for a time: the server is to be idle for so long, and nothing tells when it has been."""
    time.sleep(seconds)  # the quiet is what is measured


class Lane:
    """Calls of one method at random moments, so many a second on average; those that fail are counted."""

    def __init__(self, connection: Connection, traffic: Traffic, rate: float) -> None:
        self._connection = connection
        self._traffic = traffic
        self._rate = rate
        self._flying: dict[int, float] = {}
        self._latencies_us: list[int] = []
        self._errors: list[str] = []
        self.due = time.perf_counter()

    def fileno(self) -> int:
        """The socket, for select."""
        return self._connection.fileno()

    def __str__(self) -> str:
        """What is in flight."""
        return f"{len(self._flying)} of {self._traffic.path}"

    @property
    def oldest(self) -> float | None:
        """When the call was due that has been in flight for longest, if any is."""
        return next(iter(self._flying.values()), None)

    def send(self) -> None:
        """Send what is due. Its latency begins when it was: that the caller was late is part of what it feels."""
        if self._connection.closing:
            raise ConnectionError(self._connection.closing)  # calls on it would never be answered
        while self.due <= time.perf_counter():
            message = self._traffic.next_request(0)
            assert message is not None
            self._flying[self._connection.submit(_framed(message))] = self.due
            self.due += random.expovariate(self._rate)
        self._connection.send()

    def receive(self) -> None:
        """Take the answers that are there, and send what they make room for."""
        answers = self._connection.exchange()
        self._connection.send()
        now = time.perf_counter()
        for stream, data, trailers, broken in answers:
            latency = now - self._flying.pop(stream)
            status, message = _status(trailers, broken)
            if status:
                self._errors.append(f"{status} {message}")
                continue
            self._latencies_us.append(round(latency * 1e6))
            if self._traffic.on_response:
                self._traffic.on_response(0, data[5:])

    def felt(self, seconds: float) -> LoadResult:
        """What was measured in those seconds."""
        first = self._errors[0] if self._errors else ""
        return LoadResult(len(self._latencies_us), len(self._errors), first, seconds, sorted(self._latencies_us))


def work_honestly(
    caller: Caller, traffics: Sequence[Traffic], rate: float, is_over: Callable[[], bool]
) -> list[LoadResult]:
    """Call each method `rate` times a second until it is over; answer what each felt."""
    with ExitStack() as stack:
        lanes = [Lane(stack.enter_context(caller.connect(traffic.path)), traffic, rate) for traffic in traffics]
        began = time.perf_counter()
        while not is_over():
            for lane in lanes:
                lane.send()
            _receive(lanes, min(lane.due for lane in lanes) - time.perf_counter())
        while any(lane.oldest for lane in lanes):
            _receive(lanes, _GLANCE)
        return [lane.felt(time.perf_counter() - began) for lane in lanes]


def _receive(lanes: Sequence[Lane], seconds: float) -> None:
    """Take what arrives within a moment."""
    readable, _, _ = select.select(lanes, [], [], min(max(seconds, 0.0), _GLANCE))
    for lane in readable:
        lane.receive()
    if any(lane.oldest and time.perf_counter() - lane.oldest > SILENCE_SECONDS for lane in lanes):
        waiting = ", ".join(map(str, lanes))
        raise TimeoutError(f"no answer in {SILENCE_SECONDS} s: {waiting}")


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def _status(trailers: bytes, broken: str) -> tuple[int, str]:
    """The status code and the message of an answer; -1 where there is none."""
    status = plain_header(trailers, "grpc-status")
    return (int(status), plain_header(trailers, "grpc-message")) if status.isdigit() else (-1, broken)
