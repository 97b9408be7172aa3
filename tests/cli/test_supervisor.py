"""The supervisor of several workers: when it replaces one, and what it hands to them."""

import asyncio
import pickle
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.virtual_time import run
from tokensvc.cli.addresses import Address
from tokensvc.cli.failures import CommandError
from tokensvc.cli.supervisor import Place, next_pause
from tokensvc.cli.worker import task
from tokensvc.config import Settings, load_settings

ADDRESS = Address("127.0.0.1", 50051)


@dataclass
class Worker:
    """A worker that dies after it has served for `life` seconds."""

    pid: int
    life: float
    told_to_leave: bool = False
    started_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def ended(self) -> int:
        """Wait for the end of its life, or for its leave."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.left.wait(), self.started_at + self.life - asyncio.get_running_loop().time())
            return 0
        return -9

    def served(self) -> float:
        """For how long it has served."""
        return asyncio.get_running_loop().time() - self.started_at

    def hand_over(self) -> None:
        """Leave at once."""
        self.told_to_leave = True
        self.left.set()


class Starts:
    """Starts workers with the given lives, and notes when; a life of None is a worker that cannot serve."""

    def __init__(self, *lives: float | None) -> None:
        self._lives = list(lives)
        self.moments: list[float] = []
        self.workers: list[Worker] = []

    async def __call__(self) -> Any:
        """Start the next one."""
        self.moments.append(round(asyncio.get_running_loop().time(), 6))
        life = self._lives.pop(0) if self._lives else 1e9
        if life is None:
            raise CommandError("it cannot serve")
        self.workers.append(Worker(len(self.moments), life))
        return self.workers[-1]


def moments_of_starts(*lives: float | None) -> list[float]:
    """When workers with the given lives are started in a place, the first of them at zero."""

    async def scenario() -> list[float]:
        starts = Starts(*lives)
        place = Place(starts, await starts())
        with suppress(TimeoutError):
            await asyncio.wait_for(place.keep(), 1000)
        return starts.moments

    return run(scenario())


def test_a_dead_worker_is_replaced_at_once() -> None:
    """A worker that dies for the first time leaves no gap."""
    assert moments_of_starts(5) == [0, 5]


def test_a_worker_that_keeps_dying_is_replaced_after_longer_and_longer_pauses() -> None:
    """The pauses double, from a tenth of a second up to ten seconds."""
    moments = moments_of_starts(*[1.0] * 10)
    pauses = [round(later - earlier - 1, 6) for earlier, later in pairwise(moments)]
    assert pauses == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]


def test_a_worker_that_cannot_serve_is_tried_again_after_longer_and_longer_pauses() -> None:
    """What failed to start has not lived, so the pauses grow as well."""
    assert moments_of_starts(5, None, None, None) == [0, 5, 5.1, 5.3, 5.7]


def test_after_a_steady_life_a_worker_is_replaced_at_once_again() -> None:
    """Pauses are for what dies young."""
    assert next_pause(10, served=29) == 10
    assert next_pause(10, served=30) == 0


def test_a_renewed_worker_is_told_to_leave_when_its_successor_serves() -> None:
    """The old worker hands over to the new one, and its end is not taken for a death."""

    async def scenario() -> Starts:
        starts = Starts()
        place = Place(starts, await starts())
        keeping = asyncio.create_task(place.keep())
        await place.renew()
        await asyncio.sleep(100)
        keeping.cancel()
        return starts

    starts = run(scenario())
    assert [worker.told_to_leave for worker in starts.workers] == [True, False]


def test_a_worker_stays_when_its_successor_cannot_serve() -> None:
    """The failure comes out, and the old worker is not told anything."""

    async def scenario() -> Worker:
        starts = Starts(1000, None)
        place = Place(starts, await starts())
        with pytest.raises(CommandError, match="it cannot serve"):
            await place.renew()
        assert place.worker is starts.workers[0]
        return starts.workers[0]

    assert not run(scenario()).told_to_leave


def test_settings_reach_a_worker_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of flags, variables, files and TOML, secrets too, and nothing is looked up again."""
    (tmp_path / "settings.toml").write_text('issuer = "https://toml.test"')
    (tmp_path / "url").write_text("postgresql://user:canary@host/db")
    monkeypatch.setenv("TOKENSVC_DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("TOKENSVC_WORKERS", "3")
    settings = load_settings({"data_dir": tmp_path, "shutdown_grace": "2.5"}, tmp_path / "settings.toml")
    told = task(settings, ADDRESS)
    (tmp_path / "url").unlink()
    monkeypatch.setenv("TOKENSVC_WORKERS", "4")
    values, address = pickle.loads(told)
    received = Settings.model_construct(**values)
    assert address == ADDRESS
    assert received.model_dump() == settings.model_dump()
    assert received.database_url.get_secret_value() == "postgresql://user:canary@host/db"
    assert (received.issuer, received.workers, received.shutdown_grace) == ("https://toml.test", 3, 2.5)
    assert received.database_path == tmp_path / "tokensvc.db"


def test_the_supervisor_needs_no_library_of_the_server() -> None:
    """It is small, and nothing that has threads is loaded where processes are started."""
    program = "import sys, tokensvc.cli.supervisor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "tokensvc.cli.worker" in loaded
    assert not {"grpc", "sqlalchemy", "uvloop", "tokensvc.app"} & set(loaded)
