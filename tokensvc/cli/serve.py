"""Owns `tokensvc serve`: checks where it may listen, and starts the server."""

import click

from tokensvc.cli.addresses import plaintext_address
from tokensvc.cli.options import SERVING, Command, configured, examples, reported_plainly
from tokensvc.config import Settings


@click.command(
    cls=Command,
    epilog=examples(
        "tokensvc serve",
        "tokensvc serve --data-dir ./tokens --issuer https://tokens.example.com --log-format json",
    ),
)
@reported_plainly
@configured(*SERVING)
def serve(settings: Settings) -> None:
    """Run the server until SIGTERM or SIGINT. It makes its database and its keys at the first start.

    When it can be called it logs the event "serving" with the address.
    """
    address = plaintext_address(settings.listen, "listen", insecure=settings.insecure)
    from tokensvc.cli.serving import run  # noqa: PLC0415 - imports the whole server, for which --help must not wait

    run(settings, address)
