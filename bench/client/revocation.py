"""Owns how soon many verifiers refuse a token whose session was revoked, while very many are revoked."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

from tokensvc_pb.v1 import token_service_pb2 as pb

from bench.cases import SERVICE, Traffic
from bench.client import draining, watching
from bench.client.watching import Owned, Watch, Watched
from bench.deployment import SQLITE, Deployment, Running, running
from bench.flood.calling import work_honestly
from bench.load import LoadResult, percentile
from bench.meter import cpu_seconds
from tokensvc.config import load_settings

_PROCESSES: Final = 4  # of verifiers
_SPARE: Final = 1.2  # tokens for each revocation that is expected: it comes at random moments
_PATIENCE: Final = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """So many `streams`, on `verifiers` of which tokens are judged, and so many revocations a second, the `rate`."""

    streams: int = 100
    verifiers: int = 8
    rate: float = 1_000
    seconds: float = 15


@dataclass
class _Revoking:
    """Sessions revoked one after the other: when each was sent, by session, and answered, by revision."""

    sessions: Iterator[str]
    sent: dict[str, float] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)

    def traffic(self) -> Traffic:
        return Traffic(SERVICE + "Revoke", self._request, self._take)

    def _request(self, _slot: int) -> bytes:
        session_id = next(self.sessions)
        self.sent[session_id] = time.monotonic()
        return pb.RevokeRequest(session_id=session_id, reason="logout").SerializeToString()

    def _take(self, _slot: int, body: bytes) -> None:
        self.answered[pb.RevokeResponse.FromString(body).revision] = time.monotonic()


def measure(plan: Plan) -> Mapping[str, Any]:
    """Revoke at random moments; each revocation is judged by one of the verifiers, and all of them have to know it."""
    with running(Deployment(SQLITE), None) as service:
        issued = service.server.issue(int(plan.rate * plan.seconds * _SPARE) + 100)
        tokens = {answer.session_id: answer.access_token for answer in issued}
        with _watching(service, _shares(tokens, plan.verifiers), plan.streams - plan.verifiers) as pipes:
            revoking = _Revoking(iter(tokens))
            before, began = cpu_seconds(service.workers), time.monotonic()
            felt = _revoke(service, revoking, plan)
            server = (cpu_seconds(service.workers) - before) / (time.monotonic() - began)
            for pipe in pipes:
                pipe.send(max(revoking.answered))
            watched = [_received(pipe) for pipe in pipes]
            return _report(revoking, felt, watched) | {"server_cores": round(server, 2)}


def _revoke(service: Running, revoking: _Revoking, plan: Plan) -> LoadResult:
    over_at = time.perf_counter() + plan.seconds
    (caller,) = service.server.callers
    (felt,) = work_honestly(caller, [revoking.traffic()], plan.rate, lambda: time.perf_counter() > over_at)
    if felt.errors:
        raise RuntimeError(f"Revoke: {felt.errors} errors: {felt.first_error}")
    return felt


def _report(revoking: _Revoking, felt: LoadResult, watched: Sequence[Watched]) -> dict[str, Any]:
    refused = [each for one in watched for each in one.refused]
    known = {number for one in watched for number in one.known}
    revoked = len(revoking.answered)
    if known != {revoked} or len(refused) != revoked:
        raise RuntimeError(f"{revoked} were revoked, {len(refused)} refused, and verifiers know of {known}")
    return {
        "revoked": revoked,
        "revoked_per_second": round(felt.rate),
        "streams": sum(len(one.known) for one in watched),
        "verifiers": sum(len(one.known) for one in watched if one.refused),
        "from_answer_ms": _percentiles([each.at - revoking.answered[each.revision] for each in refused]),
        "from_sending_ms": _percentiles([each.at - revoking.sent[each.session_id] for each in refused]),
        "revoke_ms": {"p50": round(felt.percentile(50), 1), "p99": round(felt.percentile(99), 1)},
        "verifiers_cores": round(sum(one.cpu for one in watched if one.refused) / felt.seconds, 2),
        "other_streams_cores": round(sum(one.cpu for one in watched if not one.refused) / felt.seconds, 2),
        "cores": "the server has the first core to itself; verifiers, other streams and who revokes share the second",
    }


def _percentiles(seconds: Sequence[float]) -> Mapping[str, float]:
    ordered = sorted(seconds)
    return {name: round(percentile(ordered, q) * 1000, 1) for name, q in {"p50": 50, "p99": 99, "max": 100}.items()}


def _shares(tokens: Owned, verifiers: int) -> Sequence[Owned]:
    items = list(tokens.items())
    return [dict(items[first::verifiers]) for first in range(verifiers)]


@contextmanager
def _watching(service: Running, shares: Sequence[Owned], others: int) -> Iterator[Sequence[Connection]]:
    """Processes of verifiers, and one of `others` who watch; all are ready."""
    context = multiprocessing.get_context("spawn")
    (caller,) = service.server.callers
    issuer = load_settings({}).issuer
    works: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
        (watching.run, (Watch(caller, issuer, shares[number::_PROCESSES]),))
        for number in range(min(_PROCESSES, len(shares)))
    ]
    if others:
        works.append((draining.run, (caller, others)))
    pipes, processes = [], []
    try:
        for run, arguments in works:
            ours, theirs = context.Pipe()
            process = context.Process(target=run, args=(theirs, *arguments))
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        for pipe in pipes:
            _received(pipe)
        yield pipes
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _received(pipe: Connection) -> Any:
    if not pipe.poll(_PATIENCE):
        raise TimeoutError(f"nothing came from the verifiers in {_PATIENCE} s")
    return pipe.recv()
