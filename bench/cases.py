"""Owns what is measured: each case prepares its tokens and answers the traffic that a load then sends."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, cycle
from typing import Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from bench.load import Caller, LoadResult, NextRequest, OnResponse, run_load
from bench.server import COUNTS, EMPTY, STATELESS_CLIENT, USER_CLIENT

SERVICE = "/tokensvc.v1.TokenService/"
BATCH = 100
KNOWN_TOKENS = 5_000
_EMPTY_REQUEST = bytes(650)
_FILL_IN_FLIGHT = 64
_ONCE_A_SECOND = 3_000  # tokens for a second of a case that uses each once; one that is faster ends early
_NO_LIMIT = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one load."""

    path: str
    next_request: NextRequest
    on_response: OnResponse | None = None


@dataclass
class Server:
    """A server under load: for each connection to it a caller, who may do everything."""

    callers: Sequence[Caller]
    numbers: Iterator[int] = field(default_factory=count)

    def load(self, traffic: Traffic, in_flight: int, seconds: float, requests: int | None = None) -> LoadResult:
        """Send `traffic`; a failed RPC spoils the measurement, so it fails here."""
        return self._load(self.callers, traffic, in_flight, seconds, requests)

    def warm(self, path: str, requests: Sequence[bytes]) -> None:
        """Send each request once to every worker."""
        for caller in dict.fromkeys(self.callers):
            self._load([caller], _each_once(path, requests), 8, _NO_LIMIT)

    def issue(self, sessions: int, client_id: str = USER_CLIENT) -> Sequence[pb.IssueResponse]:
        """Issue that many sessions."""
        issued: list[pb.IssueResponse] = []
        traffic = self.issuing(lambda _slot, body: issued.append(pb.IssueResponse.FromString(body)), client_id)
        self.load(traffic, _FILL_IN_FLIGHT, _NO_LIMIT, sessions)
        return issued

    def issuing(self, on_response: OnResponse | None, client_id: str = USER_CLIENT) -> Traffic:
        """A new session in every call."""

        def request(_slot: int) -> bytes:
            return pb.IssueRequest(
                subject=f"user-{next(self.numbers)}", client_id=client_id, device={"id": "phone"}
            ).SerializeToString()

        return Traffic(SERVICE + "Issue", request, on_response)

    @cached_property
    def known_tokens(self) -> Sequence[str]:
        """The access tokens of so many sessions, issued at the first use."""
        return [issued.access_token for issued in self.issue(KNOWN_TOKENS)]

    def counts(self) -> Counter[str]:
        """What the workers have counted since they began, added up."""
        total: Counter[str] = Counter()
        traffic = Traffic(COUNTS, lambda _slot: b"", lambda _slot, body: total.update(json.loads(body)))
        for caller in dict.fromkeys(self.callers):
            self._load([caller], traffic, 1, _NO_LIMIT, 1)
        return total

    def _load(
        self,
        callers: Sequence[Caller],
        traffic: Traffic,
        in_flight: int,
        seconds: float,
        requests: int | None = None,
    ) -> LoadResult:
        result = run_load(
            callers,
            traffic.path,
            traffic.next_request,
            traffic.on_response,
            in_flight=in_flight,
            limit_seconds=seconds,
            limit_requests=requests,
        )
        if result.errors or not result.completed:
            raise RuntimeError(f"{traffic.path}: {result.errors} errors: {result.first_error}")
        return result


Prepare = Callable[[Server, int, float], Traffic]
"""Makes a case ready for so many calls in flight and so many seconds."""


def empty(_server: Server, _in_flight: int, _seconds: float) -> Traffic:
    """The RPC that does nothing."""
    return Traffic(EMPTY, lambda _slot: _EMPTY_REQUEST)


def issue(server: Server, _in_flight: int, _seconds: float) -> Traffic:
    """A new session in every call."""
    return server.issuing(None)


def introspect_warm(server: Server, _in_flight: int, _seconds: float) -> Traffic:
    """5,000 distinct access tokens in rotation, each seen once before by every worker."""
    return _rotation(server, SERVICE + "Introspect", [_introspect(token) for token in server.known_tokens])


def batch_introspect(server: Server, _in_flight: int, _seconds: float) -> Traffic:
    """100 of 5,000 access tokens in each call, each seen once before by every worker."""
    tokens = server.known_tokens
    batches = (tokens[start : start + BATCH] for start in range(0, len(tokens), BATCH))
    requests = [pb.BatchIntrospectRequest(tokens=batch).SerializeToString() for batch in batches]
    return _rotation(server, SERVICE + "BatchIntrospect", requests)


def introspect_cold(server: Server, _in_flight: int, seconds: float) -> Traffic:
    """Every access token for the first and only time."""
    issued = server.issue(int(_ONCE_A_SECOND * seconds))
    return _each_once(SERVICE + "Introspect", [_introspect(answer.access_token) for answer in issued])


def refresh(server: Server, in_flight: int, _seconds: float) -> Traffic:
    """Each answer's refresh token is presented next; 20 sessions take turns in every slot."""
    issued = server.issue(20 * in_flight)
    return refreshing([[answer.refresh_token for answer in issued[slot::in_flight]] for slot in range(in_flight)])


def refresh_stateless(server: Server, in_flight: int, _seconds: float) -> Traffic:
    """As `refresh`, with tokens that say everything themselves and have no row."""
    issued = server.issue(20 * in_flight, STATELESS_CLIENT)
    return refreshing([[answer.refresh_token for answer in issued[slot::in_flight]] for slot in range(in_flight)])


def refreshing(tokens: Sequence[list[str]]) -> Traffic:
    """The refresh tokens of each slot in turn; what is answered goes to the end of the slot's."""

    def request(slot: int) -> bytes:
        return pb.RefreshRequest(refresh_token=tokens[slot].pop(0)).SerializeToString()

    def keep(slot: int, body: bytes) -> None:
        tokens[slot].append(pb.RefreshResponse.FromString(body).refresh_token)

    return Traffic(SERVICE + "Refresh", request, keep)


def revoke(server: Server, _in_flight: int, seconds: float) -> Traffic:
    """A session by its refresh token, each once."""
    issued = server.issue(int(_ONCE_A_SECOND * seconds))
    requests = [pb.RevokeRequest(token=answer.refresh_token, reason="logout").SerializeToString() for answer in issued]
    return _each_once(SERVICE + "Revoke", requests)


CASES: Final[dict[str, tuple[Prepare, int]]] = {  # how it is prepared, and how many tokens one of its RPCs is about
    "introspect_warm": (introspect_warm, 1),
    "introspect_cold": (introspect_cold, 1),
    f"batch_introspect_{BATCH}": (batch_introspect, BATCH),
    "issue": (issue, 1),
    "refresh": (refresh, 1),
    "refresh_stateless": (refresh_stateless, 1),
    "revoke": (revoke, 1),
}


def _introspect(token: str) -> bytes:
    return pb.IntrospectRequest(token=token).SerializeToString()


def _each_once(path: str, requests: Sequence[bytes]) -> Traffic:
    rest = iter(requests)
    return Traffic(path, lambda _slot: next(rest, None))


def _rotation(server: Server, path: str, requests: Sequence[bytes]) -> Traffic:
    server.warm(path, requests)
    rotation = cycle(requests)
    return Traffic(path, lambda _slot: next(rotation))
