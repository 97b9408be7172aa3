"""From where a session was used last."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_COLUMNS = ("last_seen", "last_location")


def upgrade() -> None:
    # With a default, so that nodes of the version before can go on inserting while this one is rolled out.
    for name in _COLUMNS:
        op.add_column("sessions", sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    with op.batch_alter_table("sessions", recreate="never") as table:
        for name in reversed(_COLUMNS):
            table.drop_column(name)
