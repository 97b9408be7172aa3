"""The ids of what works once and was used: the assertions of clients, proofs of possession."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_DIGEST = sa.Text().with_variant(sa.LargeBinary(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "used_ids",
        sa.Column("digest", _DIGEST, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Index("used_ids_by_expiry", "expires_at"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("used_ids")
