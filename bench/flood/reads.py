"""Owns counting what SQLite is asked for bad refresh tokens and for good ones, as SQLite itself tells it."""

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from sqlalchemy import Engine, event
from tokensvc_pb.v1 import token_service_pb2 as pb

from bench.flood.calling import REFRESH, bad_refreshes
from bench.flood.forging import Genuine
from tests.harness import Caller, Service, policy_of, running_service
from tokensvc.domain.policy import RefreshTokenFormat

_SESSIONS: Final = re.compile(r"\bsessions\b")
_GOOD: Final = 50  # of each format


async def statements_of(tokens: int) -> Mapping[str, Mapping[str, int]]:
    """How many statements there were for some good tokens, and for so many bad ones until all of it was recorded."""
    formats = (RefreshTokenFormat.OPAQUE, RefreshTokenFormat.JWT, RefreshTokenFormat.STATELESS_JWT)
    with tempfile.TemporaryDirectory(prefix="tokensvc-flood-") as scratch, _counted() as counts:
        async with running_service(Path(scratch)) as service:
            callers = [await service.caller(each, policy=policy_of(refresh_token_format=each)) for each in formats]
            genuine = Genuine(*[[await _issued(caller) for _ in range(_GOOD)] for caller in callers])
            bad = [message for _, message in bad_refreshes(genuine, tokens)]
            good = [pb.RefreshRequest(refresh_token=token).SerializeToString() for token in genuine.opaque]
            begun = counts.copy()
            await _send(service, callers[0], good)
            refreshed = counts.copy()
            await _send(service, callers[0], bad)
        # What was counted in memory is written when the service stops.
        return {"good_tokens": _grown(_GOOD, begun, refreshed), "bad_tokens": _grown(tokens, refreshed, counts)}


async def _issued(caller: Caller) -> str:
    issued: pb.IssueResponse = await caller.Issue(pb.IssueRequest(subject="ada"))
    return issued.refresh_token


async def _send(service: Service, caller: Caller, requests: list[bytes]) -> None:
    """One after the other."""
    call: Any = service.channel.unary_unary(REFRESH)
    for request in requests:
        try:
            await call(request, metadata=caller.metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT):
                raise


def _grown(tokens: int, before: Counter[str], after: Counter[str]) -> Mapping[str, int]:
    return {"tokens": tokens, **{name: after[name] - before[name] for name in ("statements", "about_sessions")}}


@contextmanager
def _counted() -> Iterator[Counter[str]]:
    """Counts the statements of all databases that are opened meanwhile."""
    counts = Counter[str]()

    def count(statement: str) -> None:
        counts["statements"] += 1
        counts["about_sessions"] += bool(_SESSIONS.search(statement))

    def listen(connection: Any, _record: object) -> None:
        connection.set_trace_callback(count)

    event.listen(Engine, "connect", listen)
    try:
        yield counts
    finally:
        event.remove(Engine, "connect", listen)
