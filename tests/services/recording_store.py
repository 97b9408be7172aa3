"""A store in memory that remembers what it was asked and what it was given to write."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from tokensvc.domain.effects import Effects
from tokensvc.ports import Committed, Rows, SessionRow, Unit
from tokensvc.store.memory import MemoryStore

T = TypeVar("T")


class RecordingStore(MemoryStore):
    """`commits` and `reads` count the looks at sessions; `written` holds the effects that were not empty."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0
        self.reads = 0
        self.written: list[Effects[Any]] = []

    async def commit(self, unit: Unit[T]) -> Committed[T]:
        """Count, and note the effects."""
        self.commits += 1

        def decide(rows: Rows) -> Effects[T]:
            effects = unit.decide(rows)
            if effects != Effects(effects.outcome):
                self.written.append(effects)
            return effects

        return await super().commit(replace(unit, decide=decide))

    async def sessions_by_id(self, session_ids: Collection[str]) -> Mapping[str, SessionRow]:
        """Count."""
        self.reads += 1
        return await super().sessions_by_id(session_ids)
