"""Owns the tables. Migrations lead to exactly this; a test compares them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from tokensvc.store.dialects import DIGEST, SESSION_ID

metadata = MetaData()

# One row per session for ever, the wide columns first so that nothing is lost to alignment. What a refresh changes has
# no index, and each page keeps some room: PostgreSQL then updates within the page and touches no index (HOT).
sessions = Table(
    "sessions",
    metadata,
    Column("started_at", BigInteger, nullable=False),
    Column("rotated_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("started_revision", BigInteger, nullable=False),
    Column("idle_ttl", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("generation", Integer, nullable=False),
    Column("retry_window", Integer, nullable=False),
    Column("access_ttl", Integer, nullable=False),
    Column("session_id", SESSION_ID, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("revoke_reason", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("last_seen", Text, nullable=False, server_default=text("''")),
    Column("last_location", Text, nullable=False, server_default=text("''")),
    Index("sessions_by_subject", "subject"),
    Index("sessions_by_client", "client_id", "started_at"),
    Index("sessions_by_expiry", "expires_at"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 95},
)

# Gapless and in the order of commits: its numbers come from log_head, inside the transaction.
revocation_log = Table(
    "revocation_log",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("issued_before", BigInteger),
    Column("reason", Text, nullable=False),
    Index("revocation_log_by_expiry", "expires_at"),
)

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)

# What the log's entries for subjects, devices and clients add up to; kept as long as a session can live.
barriers = Table(
    "barriers",
    metadata,
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("issued_before", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("barriers_by_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

clients = Table(
    "clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("secret_hash", LargeBinary),
    Column("disabled", Boolean, nullable=False),
    Column("details", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("purpose", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("state", Text, nullable=False),  # for the version before: it follows from the times
    Column("created_at", BigInteger, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("activates_at", BigInteger, nullable=False, server_default=text("0")),
    Column("retires_at", BigInteger),
)

# What the older version writes during an upgrade has no chain.
audit_events = Table(
    "audit_events",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ip", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("chain", Integer),
    Column("position", BigInteger),
    Column("hash", DIGEST),
    sqlite_autoincrement=True,  # numbers never begin again, not even when every event is pruned
)

# Of each chain of audit events: where it begins now that the oldest are pruned, and how far it goes. The hash that is
# kept of its end is that before the last batch: the numbers that a batch is given are not known before this is written.
audit_chains = Table(
    "audit_chains",
    metadata,
    Column("chain", Integer, primary_key=True),
    Column("base_position", BigInteger, nullable=False),
    Column("sealed_position", BigInteger, nullable=False),
    Column("head_position", BigInteger, nullable=False),
    Column("head_at", BigInteger, nullable=False),
    Column("base_hash", DIGEST, nullable=False),
    Column("sealed_hash", DIGEST, nullable=False),
    sqlite_autoincrement=True,
)

# What works once and was used, such as a client's assertion: kept until nothing takes it for good any more.
used_ids = Table(
    "used_ids",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Index("used_ids_by_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

# Which node does what one node does for all. The row of the beat is also how replicas are measured.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("renewed_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
