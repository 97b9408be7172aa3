"""Owns `tokensvc serve`: checks where it may listen, and starts the server, alone or as several workers."""

import sys

import click

from tokensvc.cli.addresses import Endpoints, address_of, plaintext_address
from tokensvc.cli.failures import USAGE, CommandError
from tokensvc.cli.options import SERVING, Command, configured, examples, reported_plainly
from tokensvc.config import Settings


@click.command(
    cls=Command,
    epilog=examples(
        "tokensvc serve",
        "tokensvc serve --data-dir ./tokens --issuer https://tokens.example.com --log-format json",
        "tokensvc serve --workers 2",
    ),
)
@reported_plainly
@configured(*SERVING)
def serve(settings: Settings) -> None:
    """Run the server until SIGTERM or SIGINT. It makes its database and its keys at the first start.

    When it can be called it logs the event "serving" with the address. At SIGTERM and SIGINT it lets the RPCs under way
    finish. With several workers, each a process, SIGHUP replaces them one after the other without an interruption.
    """
    endpoints = _endpoints(settings)
    if settings.workers > 1 and sys.platform != "linux":
        raise CommandError("workers: more than one needs Linux", exit_code=USAGE)

    import structlog  # noqa: PLC0415 - heavy, and --help must not wait

    from tokensvc.cli.logs import configure_logs  # noqa: PLC0415 - heavy, and --help must not wait

    configure_logs(settings.log_format, sys.stderr)
    if settings.tls_cert_file is None and not endpoints.main.is_loopback:
        structlog.get_logger().warning(
            "plaintext", address=str(endpoints.main), note="secrets and tokens can be read on the way"
        )
    if settings.workers > 1:
        from tokensvc.cli.supervisor import supervise  # noqa: PLC0415 - heavy, and --help must not wait

        supervise(settings, endpoints)
    else:
        from tokensvc.cli.serving import run  # noqa: PLC0415 - heavy, and --help must not wait

        run(settings, endpoints)


def _endpoints(settings: Settings) -> Endpoints:
    """With TLS any address will do; and so it will for the health, of which nothing is secret."""
    if settings.tls_cert_file is None:
        main = plaintext_address(settings.listen, "listen", insecure=settings.insecure)
    else:
        main = address_of(settings.listen, "listen")
    return Endpoints(main, address_of(settings.health_listen, "health_listen") if settings.health_listen else None)
