"""Owns the entry point: `tokensvc` and its groups of commands."""

import click

from tokensvc import __version__
from tokensvc.cli.audit import audit
from tokensvc.cli.client import client
from tokensvc.cli.db import db
from tokensvc.cli.demo import demo
from tokensvc.cli.key import key
from tokensvc.cli.options import Group
from tokensvc.cli.serve import serve
from tokensvc.cli.session import session
from tokensvc.cli.token import token


@click.group(cls=Group, context_settings={"max_content_width": 110})
@click.version_option(__version__)
def cli() -> None:
    """A token service over gRPC.

    A setting is taken from its flag, else from TOKENSVC_NAME, else from the file that TOKENSVC_NAME_FILE names, else
    from the TOML file of --config or TOKENSVC_CONFIG.

    \b
    Exit codes: 0; 1 failed; 2 wrong usage or settings;
    64 and the gRPC status code where a call was refused, as 80 for UNAUTHENTICATED.
    """


for command in (serve, client, token, session, key, audit, db, demo):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="tokensvc")
