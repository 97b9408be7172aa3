"""Owns which cases are measured on which deployments, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.cases import CASES
from bench.deployment import POSTGRES, SQLITE, Deployment

_HELD_TO: Final = ("introspect_warm", "issue", "refresh", "refresh_stateless", "revoke")


@dataclass(frozen=True, slots=True)
class Run:
    """Some cases on one deployment, each with so many calls in flight."""

    deployment: Deployment
    cases: Sequence[str]
    in_flight: Sequence[int]
    seconds: float
    empty_seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, how many times over."""

    runs: Sequence[Run]
    rounds: int


def _stores() -> list[Run]:
    """Both stores, everything."""
    return [Run(Deployment(store), list(CASES), (1, 64), 4, 2) for store in (SQLITE, POSTGRES)]


def _tuning() -> list[Run]:
    """Without pacing, without linger, without both: what they gain under load, and that a lone caller loses nothing.

    Eight in flight are where neither is certain to pay.
    """
    return [
        Run(Deployment(store, settings=settings), cases, (1, 8, 64), 2, 1)
        for store in (SQLITE, POSTGRES)
        for settings, cases in (
            ({}, ("introspect_warm", "refresh")),
            ({"pace_ms": "0"}, ("introspect_warm", "refresh")),
            ({"linger_ms": "0"}, ("refresh",)),
            ({"pace_ms": "0", "linger_ms": "0"}, ("refresh",)),
        )
    ]


def _lone() -> list[Run]:
    """One call at a time, which is about waiting and not about work."""
    return [Run(Deployment(store), ("introspect_warm", "refresh"), (1,), 2, 1) for store in (SQLITE, POSTGRES)]


def _loaded() -> list[Run]:
    """What the project holds itself to under load: many short runs, a server for each round.

    Where machines are shared their speed changes from one minute to the next, and one run shows one of them.
    """
    return [Run(Deployment(store), _HELD_TO, (64,), 0.8, 0.4) for store in (SQLITE, POSTGRES)]


QUICK: Final = "quick"

PLANS: Final = {
    QUICK: Plan(
        [
            Run(Deployment(SQLITE), list(CASES), (64,), 1.5, 0.5),
            Run(Deployment(POSTGRES), _HELD_TO, (64,), 1.2, 0.4),
        ],
        rounds=1,
    ),
    "tuning": Plan(_tuning(), rounds=1),
    "lone": Plan(_lone(), rounds=7),
    "loaded": Plan(_loaded(), rounds=11),
    "full": Plan([*_stores(), *_tuning()], rounds=3),
}
