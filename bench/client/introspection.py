"""Owns what introspection by the client costs where many ask at once: together, and each by a call of its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

from tokensvc_client import AsyncTokenClient, Introspection, Supplied, rpcs
from tokensvc_client.values.plain import read
from tokensvc_pb.v1 import token_service_pb2 as pb

from bench.cases import introspect_warm
from bench.deployment import SQLITE, Deployment, Running, running
from bench.meter import cpu_seconds

_CALLERS: Final = 64
_WARMING: Final = 0.5  # seconds of each kind that are not counted

Ask = Callable[[str], Awaitable[Introspection]]


@dataclass(frozen=True, slots=True)
class Plan:
    """So many `turns` of each kind, of so many `seconds`."""

    turns: int = 10
    seconds: float = 1.0


@dataclass(slots=True)
class _Total:
    """Of all slices of a kind: tokens, and seconds of time, of the client's CPU and of the server's."""

    tokens: int = 0
    seconds: float = 0.0
    client: float = 0.0
    server: float = 0.0
    rates: list[float] = field(default_factory=list)

    def row(self) -> Mapping[str, Any]:
        return {
            "tokens_per_second": round(self.tokens / self.seconds),
            "slowest_and_fastest_slice": [round(min(self.rates)), round(max(self.rates))],
            "client_cpu_us": round(self.client / self.tokens * 1e6, 1),
            "server_cpu_us": round(self.server / self.tokens * 1e6, 1),
        }


def measure(plan: Plan) -> Mapping[str, Any]:
    """Let both kinds take turns: what else the machine does disturbs both alike."""
    with running(Deployment(SQLITE), None) as service:
        introspect_warm(service.server, _CALLERS, plan.seconds)  # the server has checked all signatures
        totals = asyncio.run(_turns(plan, service))
    together, single = totals["coalesced"], totals["single"]
    return {
        "introspect_coalesced": together.row(),
        "introspect_single": single.row(),
        "coalesced/single": round(together.tokens / together.seconds / (single.tokens / single.seconds), 2),
        "cores": "the server has the first core to itself, the client the second",
    }


async def _turns(plan: Plan, service: Running) -> Mapping[str, _Total]:
    (caller,) = service.server.callers
    tokens = cycle(service.server.known_tokens)
    host, port = caller.address
    async with AsyncTokenClient(f"{host}:{port}", credentials=Supplied(lambda: caller.authorization)) as client:

        async def alone(token: str) -> Introspection:
            """As `introspect` does for one who asks while nobody else does."""
            calls = client._caller  # noqa: SLF001 - what it offers never goes alone where many ask for the same
            answer = await calls.call(rpcs.INTROSPECT, pb.IntrospectRequest(token=token), calls.deadline(None))
            return read(Introspection, answer)

        kinds: Mapping[str, Ask] = {"coalesced": client.introspect, "single": alone}
        totals = {name: _Total() for name in kinds}
        for ask in kinds.values():
            await _slice(ask, tokens, _WARMING, service, _Total())
        for _ in range(plan.turns):
            for name, ask in kinds.items():
                await _slice(ask, tokens, plan.seconds, service, totals[name])
    return totals


async def _slice(ask: Ask, tokens: Iterator[str], seconds: float, service: Running, total: _Total) -> None:
    """Let all callers ask about one token after the other for a time."""
    server, client, began = cpu_seconds(service.workers), time.process_time(), time.perf_counter()
    until = began + seconds
    asked = sum(await asyncio.gather(*(_ask_on(ask, tokens, until) for _ in range(_CALLERS))))
    passed = time.perf_counter() - began
    total.tokens += asked
    total.seconds += passed
    total.client += time.process_time() - client
    total.server += cpu_seconds(service.workers) - server
    total.rates.append(asked / passed)


async def _ask_on(ask: Ask, tokens: Iterator[str], until: float) -> int:
    asked = 0
    while time.perf_counter() < until:
        answer = await ask(next(tokens))
        assert answer.active
        asked += 1
    return asked
