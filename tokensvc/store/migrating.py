"""Owns bringing a database to this version's schema, and telling whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.store.sqlite import sqlite_engine, unavailable


def upgrade_sqlite(path: Path) -> tuple[str | None, str | None]:
    """Create or upgrade the file at `path`; answer its schema revision before and after.

    Of several processes that start together one does it, the others wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        path.touch(mode=0o600)  # SQLite gives the files beside it the same mode
    engine = sqlite_engine(path, begin="BEGIN IMMEDIATE")
    try:
        before, _ = current_and_latest(engine)
        upgrade(engine)
        return before, current_and_latest(engine)[0]
    except DBAPIError as error:
        raise unavailable() from error
    except CommandError as error:
        message = "the database's schema is not known to this version; was it upgraded by a newer one?"
        raise RefusedError(Reason.STORE_UNAVAILABLE, message) from error
    finally:
        engine.dispose()


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply the migrations up to `revision` in one transaction."""
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take back the migrations behind `revision` in one transaction."""
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def current_and_latest(engine: Engine) -> tuple[str | None, str | None]:
    """The database's schema revision, and the one that this version is made for."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
