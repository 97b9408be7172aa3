"""Owns the leases: rows by which the nodes agree on who does what one of them does for all."""

from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, exists, or_, select, update

from tokensvc.ports import BEAT
from tokensvc.store import schema
from tokensvc.store.database import Database
from tokensvc.store.dialects import Dialect

_TABLE = schema.leases
_COLUMNS = _TABLE.c

_RELEASE = (
    update(_TABLE)
    .where(_COLUMNS.name == bindparam("lease"), _COLUMNS.holder == bindparam("by"))
    .values(expires_at=0)  # the row stays: it says when it was renewed last
)

LAST_BEAT = select(_COLUMNS.renewed_at).where(_COLUMNS.name == BEAT)
"""When the beat was renewed last, by its holder's clock."""


class Leases:
    """The leases in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hold = _holding(database.dialect)

    async def hold(self, name: str, holder: str, now: int, span: int) -> bool:
        """As `Store.hold_lease`."""
        values = {"lease": name, "by": holder, "now": now, "until": now + span}
        return await self._database.write(lambda connection: connection.execute(self._hold, values).first() is not None)

    async def release(self, name: str, holder: str) -> None:
        """As `Store.release_lease`."""
        await self._database.write(lambda connection: connection.execute(_RELEASE, {"lease": name, "by": holder}))


def _holding(dialect: Dialect) -> Any:
    """One statement that takes or renews a lease, and answers no row if it is another's.

    While it is another's nothing is written, not even a lock. Of two that find it free at once the database lets the
    second one see what the first one has written, and the last condition is judged by that.
    """
    name, holder = bindparam("lease", type_=Text), bindparam("by", type_=Text)
    now, until = bindparam("now", type_=BigInteger), bindparam("until", type_=BigInteger)
    taken = exists().where(_COLUMNS.name == name, _COLUMNS.holder != holder, _COLUMNS.expires_at > now)
    statement = dialect.insert(_TABLE).from_select(
        ["name", "holder", "expires_at", "renewed_at"], select(name, holder, until, now).where(~taken)
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["name"],
        set_={column: new[column] for column in ("holder", "expires_at", "renewed_at")},
        where=or_(_COLUMNS.holder == new.holder, _COLUMNS.expires_at <= new.renewed_at),
    ).returning(_COLUMNS.name)
