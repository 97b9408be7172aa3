"""`tokensvc db`."""

import sqlite3
from pathlib import Path

from tests.cli.conftest import Run, json_of


def test_upgrade_creates_the_database_and_says_from_where_to_where(run: Run) -> None:
    """The first upgrade begins at nothing, the second at where the first has ended."""
    first = json_of(run("db", "upgrade", "--data-dir", "d", "--json"))
    second = json_of(run("db", "upgrade", "--data-dir", "d", "--json"))
    assert first["revision_before"] is None
    assert first["revision_after"]
    assert second["revision_before"] == second["revision_after"] == first["revision_after"]


def test_a_database_of_a_later_version_is_left_alone(run: Run) -> None:
    """A schema that this version does not know is refused with a clear line."""
    run("db", "upgrade", "--data-dir", "d")
    database = sqlite3.connect("d/tokensvc.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    result = run("db", "upgrade", "--data-dir", "d", exit_code=1)
    assert "not known to this version" in result.stderr


def test_a_directory_that_cannot_be_made_fails_clearly(run: Run) -> None:
    """A data directory that is a file is a clear line that names it."""
    Path("d").write_text("in the way")
    result = run("db", "upgrade", "--data-dir", "d", exit_code=1)
    assert result.stderr == "error: File exists: d\n"


def test_prune_deletes_what_has_expired_in_batches_until_nothing_is_left(run: Run) -> None:
    """Five expired revocations go in batches of two; one that is still needed stays."""
    run("db", "upgrade", "--data-dir", "d")
    database = sqlite3.connect("d/tokensvc.db")
    add = "INSERT INTO revocation_log (revision, kind, key, at, expires_at, reason) VALUES (?, 2, 'k', 0, ?, '')"
    database.executemany(add, [(number, 1000) for number in range(1, 6)])
    database.execute(add, (6, 2**52))
    database.commit()
    assert json_of(run("db", "prune", "--limit", "2", "--data-dir", "d", "--json")) == {"pruned": 5}
    assert database.execute("SELECT revision FROM revocation_log").fetchall() == [(6,)]
    database.close()
