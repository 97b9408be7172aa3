"""Owns the course of the attack: before it, beside harmless loads, during it, after it, and once with nobody else."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import grpc

from bench import cases
from bench.flood.calling import (
    INTROSPECT,
    REFRESH,
    Answers,
    Poured,
    Requests,
    bad_refreshes,
    in_rotation,
    pour,
    rest,
    work_honestly,
)
from bench.flood.forging import EXPECTED
from bench.flood.scene import Scene
from bench.flood.trail import Trail
from bench.meter import cpu_seconds
from tokensvc.rpc.errors import CODES
from tokensvc.services.refusals import RECORDED

_ALONE: Final = 2_000  # tokens at most that are sent while nobody else calls
_WRITTEN_WITHIN: Final = 30.0  # seconds; refusals are written every second, or every twenty when there were many
_POLL: Final = 0.1
_HARMLESS: Final = 64  # calls in flight; answered without a delay, a thousand would make gRPC turn honest ones away
_CODE_NAMES: Final = {code.value[0]: code.name for code in grpc.StatusCode}

Load = Callable[[], Poured | None]
"""What the attacker's process does in a phase."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played: `tokens` bad ones, `in_flight` at a time; each other phase takes `seconds`.

    The honest caller refreshes and introspects, each `rate` times a second.
    """

    tokens: int
    in_flight: int
    seconds: float
    rate: float


@dataclass(frozen=True, slots=True)
class Phase:
    """What the honest caller felt, how many of its calls failed, and the load beside it, if there was one.

    `load_cpu_us` is the server's CPU in all, for each RPC of the load. `transactions` are those units of group commit
    that were no honest refreshes; `log_looks` are reads of the revocation log, shared by the calls that wait.
    """

    name: str
    load_rps: float | None
    load_cpu_us: float | None
    refresh_p50_ms: float
    refresh_p99_ms: float
    introspect_p50_ms: float
    introspect_p99_ms: float
    failed: int
    transactions: int
    log_looks: int

    def ratios(self, other: "Phase") -> Mapping[str, float]:
        """How many times the p99 of `other` this one is."""
        return {
            "refresh": round(self.refresh_p99_ms / other.refresh_p99_ms, 2),
            "introspect": round(self.introspect_p99_ms / other.introspect_p99_ms, 2),
        }


class Play:
    """One attack on one scene."""

    def __init__(self, scene: Scene, plan: Plan) -> None:
        self._scene = scene
        self._plan = plan
        self._names = scene.answer_names()

    def report(self) -> dict[str, Any]:
        """Play it; answer everything that was seen, ready for JSON."""
        scene, plan = self._scene, self._plan
        quiet = partial(rest, plan.seconds)
        nothing = cases.empty(scene.running.server, _HARMLESS, plan.seconds)
        message = nothing.next_request(0)
        assert message is not None
        empty = self._load(nothing.path, _HARMLESS, partial(in_rotation, [message], plan.seconds))
        good = self._load(INTROSPECT, _HARMLESS, partial(in_rotation, scene.introspections, plan.seconds))
        phases = [self._phase("before", quiet)[0]]
        phases += [self._phase("empty RPCs", empty)[0], self._phase("good tokens", good)[0]]
        trail, memory = Trail.of(scene.database), self._memory()
        bad, answers = self._phase("bad tokens", self._bad(plan.tokens))
        recorded = sum(number for (kind, *_), number in answers.items() if EXPECTED[kind] in RECORDED)
        later, memory_later = self._trail_with(trail.refused + recorded), self._memory()
        after, _ = self._phase("after", quiet)
        return {
            **asdict(plan),
            "answers": self._named(answers),
            "phases": [asdict(phase) for phase in (*phases, bad, after)],
            "p99_of_bad_tokens_to": {phase.name: bad.ratios(phase) for phase in phases},
            "audit": {"before": asdict(trail), "after": asdict(later), **_growth(later - trail, recorded, plan.tokens)},
            "server_mb": {"before": memory, "after": memory_later},
            "alone": self._alone(min(plan.tokens, _ALONE)),
        }

    def _load(self, path: str, in_flight: int, make: Callable[[], Requests]) -> Load:
        return partial(pour, self._scene.attacker, path, in_flight, make)

    def _bad(self, tokens: int) -> Load:
        return self._load(REFRESH, self._plan.in_flight, partial(bad_refreshes, self._scene.genuine, tokens))

    def _phase(self, name: str, load: Load) -> tuple[Phase, Answers]:
        """The honest work for as long as the load takes."""
        scene, server = self._scene, self._scene.running.server
        counts, cpu = server.counts(), cpu_seconds(scene.running.workers)
        loading = scene.attackers_process.submit(load)
        refreshes, introspections = work_honestly(scene.honest, scene.honest_traffics, self._plan.rate, loading.done)
        poured = loading.result()
        cpu, counts = cpu_seconds(scene.running.workers) - cpu, server.counts() - counts
        phase = Phase(
            name,
            load_rps=round(poured.rate, 1) if poured else None,
            load_cpu_us=round(cpu * 1e6 / poured.answers.total(), 1) if poured else None,
            refresh_p50_ms=refreshes.percentile(50),
            refresh_p99_ms=refreshes.percentile(99),
            introspect_p50_ms=introspections.percentile(50),
            introspect_p99_ms=introspections.percentile(99),
            failed=refreshes.errors + introspections.errors,
            transactions=counts["units"] - refreshes.completed,
            log_looks=counts["reads"],
        )
        return phase, poured.answers if poured else Answers()

    def _alone(self, tokens: int) -> Mapping[str, Any]:
        """What the service asks of the database when bad tokens are all that comes."""
        scene, server = self._scene, self._scene.running.server
        scans, counts = scene.database.session_scans(), server.counts()
        scene.attackers_process.submit(self._bad(tokens)).result()
        counts, scans_later = server.counts() - counts, scene.database.session_scans()
        return {
            "tokens": tokens,
            "transactions": counts["units"],
            "log_looks": counts["reads"],
            "session_scans_before": scans,
            "session_scans_after": scans_later,
        }

    def _named(self, answers: Answers) -> Mapping[str, Mapping[str, int]]:
        """The answers by code and reason: those that the contract has for their kind of token, and all others."""
        expected, unexpected = Counter[str](), Counter[str]()
        for (kind, code, message), number in answers.items():
            name = self._names.get((code, message), f"{_CODE_NAMES.get(code, 'no status')} {message}")
            is_right = name == f"{CODES[EXPECTED[kind]].name} {EXPECTED[kind].value}"
            (expected if is_right else unexpected)[name] += number
        return {"expected": expected, "unexpected": unexpected}

    def _trail_with(self, refused: int) -> Trail:
        """The trail when it tells of so many refused calls, or when it should have."""
        give_up = time.monotonic() + _WRITTEN_WITHIN
        trail = Trail.of(self._scene.database)
        while trail.refused < refused and time.monotonic() < give_up:
            time.sleep(_POLL)  # the server writes refusals once a second, and tells nobody
            trail = Trail.of(self._scene.database)
        return trail

    def _memory(self) -> float:
        """The server's resident memory."""
        return round(sum(worker.memory_info().rss for worker in self._scene.running.workers) / 2**20, 1)


def _growth(grown: Trail, recorded: int, tokens: int) -> Mapping[str, Any]:
    """What the refusals have added; of the bytes that share which their events are of all."""
    of_refusals = round(grown.bytes * grown.refusal_rows / grown.rows)
    return {
        "calls_to_record": recorded,
        "calls_recorded": grown.refused,
        "refusal_rows": grown.refusal_rows,
        "refusal_bytes": of_refusals,
        "refusal_rows_per_million": round(grown.refusal_rows * 1e6 / tokens, 1),
        "refusal_bytes_per_million": round(of_refusals * 1e6 / tokens),
    }
