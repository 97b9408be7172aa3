"""Owns bringing a database to this version's schema, and telling whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.store.database import Database
from tokensvc.store.outages import unavailable
from tokensvc.store.sqlite import sqlite_engine


def upgrade_sqlite(path: Path) -> tuple[str | None, str | None]:
    """Create or upgrade the file at `path`; answer its schema revision before and after.

    Of several processes that start together one does it, the others wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        path.touch(mode=0o600)  # SQLite gives the files beside it the same mode
    engine = sqlite_engine(path, begin="BEGIN IMMEDIATE")
    try:
        with engine.begin() as connection:
            before = current_revision(connection)
            upgrade(connection)
            return before, current_revision(connection)
    except DBAPIError as error:
        raise unavailable() from error
    except CommandError as error:
        message = "the database's schema is not known to this version; was it upgraded by a newer one?"
        raise RefusedError(Reason.STORE_UNAVAILABLE, message) from error
    finally:
        engine.dispose()


async def upgrade_database(database: Database) -> tuple[str | None, str | None]:
    """Create or upgrade the tables; answer the schema's revision before and after."""

    def work(connection: Connection) -> tuple[str | None, str | None]:
        before = current_revision(connection)
        upgrade(connection)
        return before, current_revision(connection)

    return await database.write(work)


async def check_schema(database: Database) -> None:
    """Refuse with STORE_UNAVAILABLE a schema that is older than this version needs.

    A newer one is as good: a migration only adds what the version before it can do without (docs/upgrading.md).
    """
    current = await database.read(current_revision)
    scripts = _scripts()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is None or (current in known and current != scripts.get_current_head()):
        raise RefusedError(Reason.STORE_UNAVAILABLE, "the database's schema is too old: run tokensvc db upgrade")


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Apply the migrations up to `revision`, in the caller's transaction."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Take back the migrations behind `revision`, in the caller's transaction."""
    command.downgrade(_config(connection), revision)


def current_revision(connection: Connection) -> str | None:
    """The schema's revision; None where there are no tables yet."""
    return MigrationContext.configure(connection).get_current_revision()


def latest_revision() -> str | None:
    """The revision that this version is made for."""
    return _scripts().get_current_head()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
