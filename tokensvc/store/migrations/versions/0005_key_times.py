"""From when a key is used, and until when it verifies."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # With a default, so that nodes of the version before can go on inserting while this one is rolled out.
    op.add_column("keys", sa.Column("activates_at", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("keys", sa.Column("retires_at", sa.BigInteger))
    op.execute("UPDATE keys SET activates_at = created_at")


def downgrade() -> None:
    op.execute("DELETE FROM keys WHERE length(wrapped) = 0")  # the version before would open those
    with op.batch_alter_table("keys", recreate="never") as table:
        table.drop_column("retires_at")
        table.drop_column("activates_at")
