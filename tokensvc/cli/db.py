"""Owns `tokensvc db`: the care of the database."""

import click

from tokensvc.cli import local
from tokensvc.cli.options import Group, configured, examples, reported
from tokensvc.cli.output import Output
from tokensvc.config import Settings


@click.group(cls=Group)
def db() -> None:
    """Take care of the database."""


@db.command(epilog=examples("tokensvc db upgrade"))
@reported
@configured("data_dir")
def upgrade(output: Output, settings: Settings) -> None:
    """Create the database, or bring it to this version's schema."""
    before, after = local.upgrade(settings)
    output.show({"database": settings.database_name, "revision_before": before, "revision_after": after})


@db.command(epilog=examples("tokensvc db prune", "tokensvc db prune --limit 100"))
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Rows of a table at once."
)
@reported
@configured("data_dir", "audit_retention")
def prune(output: Output, settings: Settings, *, limit: int) -> None:
    """Delete expired rows in small batches, so that a server that runs is not held up. Servers do it by themselves."""
    output.show({"pruned": local.prune(settings, limit)})
