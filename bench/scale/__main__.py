"""`python -m bench.scale [--sizes 10000,1000000,10000000]`: measures, writes results/scale.json, draws the picture."""

import argparse
import json
from typing import Any

from bench.scale import growth, hot, plot, pruning, view
from bench.scale.database import filled
from bench.scale.growth import Scene
from bench.scale.plot import RESULTS
from bench.scale.sessions import Population, expired, living


def main() -> None:
    """Measure all sizes in turns, then pruning at the largest one, and refreshing over and over."""
    asked = _arguments()
    results: dict[str, Any] = {"view": view.measure()}
    _keep(results)
    contents = [[expired(asked.prune if size == max(asked.sizes) else 0), living(size)] for size in asked.sizes]
    with filled(*contents) as databases:
        scenes = [
            Scene(database, size, Population(size, database.mac))
            for database, size in zip(databases, asked.sizes, strict=True)
        ]
        results["huge_pages"] = databases[0].sql("SHOW huge_pages_status")
        results["sizes"] = growth.measure(scenes)
        _keep(results)
        if asked.prune:
            largest = max(scenes, key=lambda scene: scene.sessions)
            results["prune"] = pruning.measure(largest.database, largest.population)
            _keep(results)
    if asked.hot:
        with filled([]) as (database,):
            results["hot"] = hot.measure(database, asked.hot)
            _keep(results)
    print(json.dumps(results, indent=1))
    plot.draw(results)


def _keep(results: dict[str, Any]) -> None:
    """Write down what there is so far: the rest may take long, or fail."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="What the number of sessions costs.")
    parser.add_argument("--sizes", type=_numbers, default=[10_000, 1_000_000, 10_000_000], help="as 10000,1000000")
    parser.add_argument("--prune", type=int, default=1_000_000, help="expired sessions beside the largest size")
    parser.add_argument("--hot", type=int, default=1_000, help="refreshes of each of 1,000 sessions")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    main()
