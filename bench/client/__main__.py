"""`python -m bench.client [memory] [verification] [introspection] [revocation]`: measures all parts, or those named."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bench.client import introspection, memory, revocation, verification

_PARTS: Final = ("memory", "verification", "introspection", "revocation")


def main() -> None:
    """Measure, print, and write where that is wanted."""
    asked = _arguments()
    turns = introspection.Plan(asked.turns, asked.slice)
    scene = revocation.Plan(asked.streams, asked.verifiers, asked.rate, asked.seconds)
    parts: Mapping[str, Callable[[], Mapping[str, Any]]] = {
        "memory": lambda: memory.measure(asked.entries),
        "verification": verification.measure,
        "introspection": lambda: introspection.measure(turns),
        "revocation": lambda: revocation.measure(scene),
    }
    results = {name: parts[name]() for name in asked.parts or _PARTS}
    text = json.dumps(results, indent=1)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.client", description="What the client library costs.")
    parser.add_argument("parts", nargs="*", choices=_PARTS, help="all of them if none is named")
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the view whose memory is measured")
    parser.add_argument("--turns", type=int, default=10, help="slices of introspection, of each kind")
    parser.add_argument("--slice", type=float, default=1.0, help="seconds of such a slice")
    parser.add_argument("--streams", type=int, default=100, help="of revocations")
    parser.add_argument("--verifiers", type=int, default=8, help="that have one of these streams")
    parser.add_argument("--rate", type=float, default=1_000, help="revocations a second")
    parser.add_argument("--seconds", type=float, default=15, help="of revocations")
    parser.add_argument("--json", type=Path, help="a file for the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
