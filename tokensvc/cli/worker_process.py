"""Owns what a supervisor holds of a worker process: how it is started, what it says, what it can be told."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tokensvc.cli.failures import CommandError
from tokensvc.cli.worker import HAND_OVER


class WorkerProcess:
    """A process that runs `tokensvc.cli.worker`. It ends by itself when this process is gone."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._ready_at = 0.0
        self.pid = process.pid
        self.facts: Mapping[str, Any] = {}

    @classmethod
    async def start(cls, task: bytes) -> "WorkerProcess":
        """Start a process with a task; fails with CommandError if there can be none. It serves when it is `ready`."""
        # A console script does not import from the working directory, and neither must its workers.
        flags = () if str(Path.cwd()) in sys.path else ("-P",)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *flags, "-m", "tokensvc.cli.worker"),
                stdin=PIPE,
                stdout=PIPE,
                process_group=0,  # what a terminal sends to all processes of a command goes to the supervisor alone
            )
        except OSError as error:
            raise CommandError(f"cannot start a worker: {error.strerror}") from error
        worker = cls(process)
        worker._write(task)
        return worker

    async def ready(self) -> None:
        """Wait until it serves and has told its `facts`; fails with CommandError when it will never serve."""
        line = await self._process.stdout.readline() if self._process.stdout else b""
        said = json.loads(line or "{}")
        if "serving" in said:
            self.facts = said["serving"]
            self._ready_at = asyncio.get_running_loop().time()
            return
        code = await self.ended()
        failed = dict(said.get("failed") or {"error": f"a worker ended before it served, with exit code {code}"})
        raise CommandError(failed.pop("error"), exit_code=code, **failed)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def ended(self) -> int:
        """Wait for its end; answer the exit code, or the signal that has killed it as a negative number."""
        return await self._process.wait()

    def hand_over(self) -> None:
        """Tell it to leave, when its callers have gone to others."""
        self._write(HAND_OVER)

    def stop(self) -> None:
        """Tell it to end within the grace."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it now."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def served(self) -> float:
        """For how many seconds it has served so far."""
        return asyncio.get_running_loop().time() - self._ready_at

    def _write(self, words: bytes) -> None:
        if self._process.stdin:
            self._process.stdin.write(words)
