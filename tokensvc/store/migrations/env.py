"""Runs migrations on the connection that `tokensvc.store.migrating` hands over."""

from alembic import context

from tokensvc.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most things of a table in place
)
with context.begin_transaction():
    context.run_migrations()
