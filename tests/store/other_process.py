"""A second operating system process for the tests: it does on one file what its first argument says.

As a program it answers each line that it is given with one line. `OtherProcess` is the same seen from the test.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fakes import FakeClock
from tests.harness import running_service
from tests.store.kinds import open_sqlite_store
from tests.store.samples import a_session, an_access_token, an_entry, sid, writing
from tokensvc.domain.revocation import EntryKind
from tokensvc.store.migrating import upgrade_sqlite

_ROOT = Path(__file__).parents[2]
_PATIENCE = 60  # seconds after which a process that does not answer fails the test


class OtherProcess:
    """A process under way."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    async def ask(self, line: object) -> str:
        """Give it a line to answer."""
        self._stdin.write(f"{line}\n".encode())
        return await self.says()

    async def says(self) -> str:
        """The next line that it says."""
        async with asyncio.timeout(_PATIENCE):
            return (await self._stdout.readline()).decode().strip()


@asynccontextmanager
async def other_process(task: str, path: Path) -> AsyncIterator[OtherProcess]:
    """Start a process that does `task` and stop it at the end."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", __name__, task, str(path))
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=_ROOT)
    try:
        other = OtherProcess(process)
        assert await other.says() == "ready"
        yield other
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(_PATIENCE):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _revoke(path: Path) -> None:
    """Revokes the sessions that it is told, answering with the revision."""
    store = open_sqlite_store(path, FakeClock())
    async for line in _lines():
        _say((await store.commit(writing(log=(an_entry(EntryKind.SESSION, sid(line)),)))).revision)
    await store.close()


async def _introspect(path: Path) -> None:
    """Says of the sessions that it is told whether they are revoked."""
    store = open_sqlite_store(path, FakeClock())
    async for line in _lines():
        _say((await store.view()).has_revoked(an_access_token(a_session(line))))
    await store.close()


async def _upgrade(_path: Path) -> None:
    """Upgrades the files that it is told."""
    async for line in _lines():
        upgrade_sqlite(Path(line))
        _say("done")


async def _serve(path: Path) -> None:
    """Runs a whole service, and says on which port."""
    async with running_service(path) as service:
        async for _ in _lines():
            _say(service.port)


async def _lines() -> AsyncIterator[str]:
    _say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line.strip()


def _say(answer: object) -> None:
    print(answer, flush=True)  # noqa: T201 - standard output is how it answers


if __name__ == "__main__":
    tasks = {"revoke": _revoke, "introspect": _introspect, "upgrade": _upgrade, "serve": _serve}
    asyncio.run(tasks[sys.argv[1]](Path(sys.argv[2])))
