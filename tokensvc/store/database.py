"""Owns the interface between the SQL store and one kind of database: where transactions run, and how."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from tokensvc.store.at_once import LastStatement
from tokensvc.store.dialects import Dialect

T = TypeVar("T")


class Database(Protocol):
    """Runs functions on a connection, off the event loop. Driver errors come out as STORE_UNAVAILABLE."""

    dialect: Dialect

    async def write(
        self, work: Callable[[Connection], T], at_once: Callable[[Connection], LastStatement[T] | None] | None = None
    ) -> T:
        """Run `work` in a transaction that may write; answer when it is durable.

        Where every statement has a way to go, `at_once` is tried before, without a transaction.
        """

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that sees one state of the database."""

    async def follow(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which reads; each of its statements sees at least what was committed when this call began."""

    def data_version(self) -> int | None:
        """A number that changes when anybody has committed anything; None where only a read can tell."""

    async def settings(self) -> dict[str, str]:
        """What the database says of itself and of the durability of what is written."""

    async def close(self) -> None:
        """Let go of all connections."""
