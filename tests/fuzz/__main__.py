"""`python -m tests.fuzz`: guided by coverage, each target in a process of its own, for so many inputs."""

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

import atheris

with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["tokensvc"]):  # it names every module
    from tests.fuzz.corpus import begin_with
    from tests.fuzz.targets import TARGETS

_OPTIONS = ("-max_len=4096", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0")
_SHARES = {"rpc": 0.1, "authorization": 0.1, "introspection": 0.1}  # of the inputs, because each takes longer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one target here, or all of them one after the other; answer the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs for each target, fewer for slow ones")
    parser.add_argument("target", nargs="?", choices=[*TARGETS])
    asked = parser.parse_args(arguments)
    if asked.target:
        _fuzz(asked.target, asked.runs)
    failed = [name for name in TARGETS if not asked.target and _in_process(name, asked.runs)]
    return _say(failed)


def _in_process(name: str, runs: int) -> int:
    share = round(runs * _SHARES.get(name, 1))
    sys.stdout.write(f"{name}: {share:,} inputs\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "tests.fuzz", name, f"--runs={share}"], check=False).returncode


def _say(failed: Sequence[str]) -> int:
    sys.stdout.write(f"failed: {', '.join(failed)}\n" if failed else "no target failed\n")
    return bool(failed)


def _fuzz(name: str, runs: int) -> None:
    """Does not return: the fuzzer ends the process. What it finds new it keeps for this run alone."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(begin_with(name)):
            Path(folder, f"{number:04}").write_bytes(data)
        atheris.Setup([sys.argv[0], f"-runs={runs}", *_OPTIONS, folder], TARGETS[name].run)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
