"""Owns what is measured: each case prepares its tokens and answers the traffic that a load then sends."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle

from tokensvc_pb.v1 import token_service_pb2 as pb

from bench.load import LoadResult, NextRequest, OnResponse, run_load
from bench.server import EMPTY

SERVICE = "/tokensvc.v1.TokenService/"
BATCH = 100
KNOWN_TOKENS = 10_000
_EMPTY_REQUEST = bytes(650)
_FILL_IN_FLIGHT = 64


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one load."""

    path: str
    next_request: NextRequest
    on_response: OnResponse | None = None


@dataclass
class Server:
    """A server under load."""

    port: int
    authorization: str
    numbers: Iterator[int] = field(default_factory=count)

    def load(self, traffic: Traffic, in_flight: int, seconds: float, requests: int | None = None) -> LoadResult:
        """Send `traffic`; a failed RPC spoils the measurement, so it fails here."""
        result = run_load(
            ("127.0.0.1", self.port),
            traffic.path,
            {"authorization": self.authorization},
            traffic.next_request,
            traffic.on_response,
            in_flight=in_flight,
            limit_seconds=seconds,
            limit_requests=requests,
        )
        if result.errors or not result.completed:
            raise RuntimeError(f"{traffic.path}: {result.errors} errors: {result.first_error}")
        return result

    def issue(self, sessions: int) -> Sequence[pb.IssueResponse]:
        """Issue that many sessions."""
        issued: list[pb.IssueResponse] = []
        traffic = self.issuing(lambda _slot, body: issued.append(pb.IssueResponse.FromString(body)))
        self.load(traffic, _FILL_IN_FLIGHT, 600, sessions)
        return issued

    def issuing(self, on_response: OnResponse | None) -> Traffic:
        """A new session in every call."""

        def request(_slot: int) -> bytes:
            return pb.IssueRequest(subject=f"user-{next(self.numbers)}", device={"id": "phone"}).SerializeToString()

        return Traffic(SERVICE + "Issue", request, on_response)


Prepare = Callable[[Server, int, float], Traffic]
"""Makes a case ready for so many calls in flight and so many seconds."""


def empty(_server: Server, _in_flight: int, _seconds: float) -> Traffic:
    """The RPC that does nothing."""
    return Traffic(EMPTY, lambda _slot: _EMPTY_REQUEST)


def issue(server: Server, _in_flight: int, _seconds: float) -> Traffic:
    """A new session in every call."""
    return server.issuing(None)


def introspect_warm(server: Server, _in_flight: int, _seconds: float) -> Traffic:
    """10,000 distinct access tokens in rotation, each seen once before."""
    requests = [_introspect(issued) for issued in server.issue(KNOWN_TOKENS)]
    return _rotation(server, SERVICE + "Introspect", requests)


def batch_introspect(server: Server, _in_flight: int, _seconds: float) -> Traffic:
    """100 of 10,000 access tokens in each call, each seen once before."""
    tokens = [issued.access_token for issued in server.issue(KNOWN_TOKENS)]
    batches = (tokens[start : start + BATCH] for start in range(0, len(tokens), BATCH))
    requests = [pb.BatchIntrospectRequest(tokens=batch).SerializeToString() for batch in batches]
    return _rotation(server, SERVICE + "BatchIntrospect", requests)


def introspect_cold(server: Server, _in_flight: int, seconds: float) -> Traffic:
    """Every access token for the first and only time."""
    requests = iter([_introspect(issued) for issued in server.issue(int(4_500 * seconds))])
    return Traffic(SERVICE + "Introspect", lambda _slot: next(requests, None))


def refresh(server: Server, in_flight: int, _seconds: float) -> Traffic:
    """Each answer's refresh token is presented next; 20 sessions take turns in every slot."""
    issued = server.issue(20 * in_flight)
    tokens = {slot: [answer.refresh_token for answer in issued[slot::in_flight]] for slot in range(in_flight)}

    def request(slot: int) -> bytes:
        return pb.RefreshRequest(refresh_token=tokens[slot].pop(0)).SerializeToString()

    def keep(slot: int, body: bytes) -> None:
        tokens[slot].append(pb.RefreshResponse.FromString(body).refresh_token)

    return Traffic(SERVICE + "Refresh", request, keep)


def revoke(server: Server, _in_flight: int, seconds: float) -> Traffic:
    """A session by its refresh token, each once."""
    issued = server.issue(int(4_500 * seconds))
    requests = iter([pb.RevokeRequest(token=answer.refresh_token, reason="logout") for answer in issued])

    def request(_slot: int) -> bytes | None:
        following = next(requests, None)
        return following.SerializeToString() if following else None

    return Traffic(SERVICE + "Revoke", request)


def _introspect(issued: pb.IssueResponse) -> bytes:
    return pb.IntrospectRequest(token=issued.access_token).SerializeToString()


def _rotation(server: Server, path: str, requests: Sequence[bytes]) -> Traffic:
    rotation = cycle(requests)
    traffic = Traffic(path, lambda _slot: next(rotation))
    server.load(traffic, 8, 600, len(requests))
    return traffic
