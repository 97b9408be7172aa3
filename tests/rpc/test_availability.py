"""Whether the service says that it serves."""

import asyncio
from contextlib import suppress

from tests import virtual_time
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.rpc.availability import Availability
from tokensvc.store.memory import MemoryStore


class FlakyStore(MemoryStore):
    """A store that answers checks as the plan says, one after another; then it stops who asks."""

    def __init__(self, plan: str) -> None:
        super().__init__()
        self.plan = list(plan)

    async def check(self) -> None:
        if not self.plan:
            raise asyncio.CancelledError
        if self.plan.pop(0) == "-":
            raise RefusedError(Reason.STORE_UNAVAILABLE, "gone")


def announced(plan: str) -> list[tuple[bool, float]]:
    """What is announced, and after how many seconds, while the store's checks go by the plan."""
    said = []

    async def announce(*, available: bool) -> None:
        said.append((available, asyncio.get_running_loop().time()))

    async def follow() -> None:
        with suppress(asyncio.CancelledError):
            await Availability(FlakyStore(plan), announce).follow()

    virtual_time.run(follow())
    return said


def test_nothing_is_said_while_nothing_changes() -> None:
    """An announcement reaches every stream that watches the health, so only changes are worth one."""
    assert announced("+++") == []


def test_a_store_that_goes_and_comes_is_followed() -> None:
    """A second after the store has stopped answering the service says so, and again when it is back."""
    assert announced("+---++-") == [(False, 2), (True, 5), (False, 7)]
