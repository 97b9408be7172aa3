"""The chains that audit events are linked in, and numbers of events that never begin again."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_DIGEST = sa.Text().with_variant(sa.LargeBinary(), "postgresql")
_TEXTS = ("type", "caller", "client_id", "subject", "session_id", "reason", "ip", "details")
_COLUMNS = ("sequence", "at", *_TEXTS)


def upgrade() -> None:
    op.create_table(
        "audit_chains",
        sa.Column("chain", sa.Integer, primary_key=True),
        sa.Column("base_position", sa.BigInteger, nullable=False),
        sa.Column("sealed_position", sa.BigInteger, nullable=False),
        sa.Column("head_position", sa.BigInteger, nullable=False),
        sa.Column("head_at", sa.BigInteger, nullable=False),
        sa.Column("base_hash", _DIGEST, nullable=False),
        sa.Column("sealed_hash", _DIGEST, nullable=False),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        _make_again(*_links(), sqlite_autoincrement=True)
        return
    for column in _links():
        op.add_column("audit_events", column)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _make_again()
    else:
        for column in reversed(_links()):
            op.drop_column("audit_events", column.name)
    op.drop_table("audit_chains")


def _links() -> tuple[sa.Column[Any], ...]:
    """Without values in the events from before, and in those of nodes of the version before during the upgrade."""
    return sa.Column("chain", sa.Integer), sa.Column("position", sa.BigInteger), sa.Column("hash", _DIGEST)


def _make_again(*more: sa.Column[Any], **options: bool) -> None:
    """SQLite cannot turn AUTOINCREMENT on or off: the rows move to a new table."""
    op.rename_table("audit_events", "audit_events_before")
    op.create_table(
        "audit_events",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        *more,
        **options,
    )
    columns = ", ".join(_COLUMNS)
    op.execute(
        f"INSERT INTO audit_events ({columns}) SELECT {columns} FROM audit_events_before"  # noqa: S608 - fixed names
    )
    op.drop_table("audit_events_before")
