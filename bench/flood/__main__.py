"""`python -m bench.flood [--store postgres] [--tokens 1000000] [--in-flight 900]`: plays the attack.

With the usual delay of refusals a million takes an hour. `--refusal-delay 0 --in-flight 64` asks in some minutes what
they leave behind, and nothing about how others feel.

Who waits behind many calls waits for good ones as for bad ones. So 64 empty RPCs in flight, and 64 introspections of
good tokens, are measured too: what bad tokens do beyond these, their badness does.
"""

import argparse
import asyncio
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from bench.deployment import POSTGRES, SQLITE, running_postgres
from bench.flood.attack import Plan, Play
from bench.flood.reads import statements_of
from bench.flood.scene import prepared
from bench.rows import table

_TRACED: Final = 2_000  # tokens at most for which SQLite's statements are counted

FOOTER: Final = """\
The server has the first core to itself; attacker, honest caller and PostgreSQL share the second. Honest calls come at
random moments, and their latency begins when they are due. load_cpu_us: the server's CPU in all, for each RPC of the
load. transactions: units of group commit that were no honest refreshes. log_looks: reads of the revocation log, shared
by the calls that wait: they are about who calls and what is revoked, never about the token. statements: what SQLite
itself was asked for bad tokens and for good ones, in all and about sessions."""


def main() -> None:
    """Play it on one store, print, and write where that is wanted."""
    asked = _arguments()
    plan = Plan(asked.tokens, asked.in_flight, asked.seconds, asked.rate)
    with (
        running_postgres() if asked.store == POSTGRES else nullcontext() as postgres,
        prepared(asked.store, postgres, asked.refusal_delay) as scene,
    ):
        report = {"store": asked.store, "refusal_delay": asked.refusal_delay, **Play(scene, plan).report()}
    if asked.store == SQLITE:
        report["statements"] = asyncio.run(statements_of(min(asked.tokens, _TRACED)))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n")
    phases = report.pop("phases")
    print(table(phases), FOOTER, json.dumps(report, indent=1), sep="\n\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.flood", description="What a flood of bad tokens costs.")
    parser.add_argument("--store", choices=(SQLITE, POSTGRES), default=SQLITE)
    parser.add_argument("--tokens", type=int, default=1_000_000, help="bad refresh tokens that are sent")
    parser.add_argument(
        "--in-flight", type=int, default=900, help="of the attacker's calls; gRPC sheds some beyond 1000"
    )
    parser.add_argument("--seconds", type=float, default=20, help="of every other phase")
    parser.add_argument("--rate", type=float, default=50, help="honest refreshes, and introspections, a second")
    parser.add_argument("--refusal-delay", type=float, default=1, help="the server's setting, in seconds")
    parser.add_argument("--json", type=Path, help="a file for the report")
    return parser.parse_args()


if __name__ == "__main__":
    main()
