"""Owns a worker process: it serves as its supervisor says, and ends when the supervisor is gone."""

import asyncio
import json
import os
import pickle
import signal
import sys
from collections.abc import Mapping
from typing import Any

from tokensvc.cli.addresses import Endpoints
from tokensvc.cli.failures import USAGE, CommandError
from tokensvc.cli.logs import configure_logs
from tokensvc.cli.orders import Orders
from tokensvc.config import Settings, SettingsError

HAND_OVER = b"h"
"""What a supervisor writes to a worker that is to hand over."""

_STDIN = 0


def task(settings: Settings, endpoints: Endpoints) -> bytes:
    """What a supervisor writes to a worker first. There are secrets in it, so it is not for arguments or variables."""
    return pickle.dumps((settings.model_dump(), endpoints))


def main() -> None:
    """Serve; on standard output say {"serving": facts} when it can be called, or {"failed": why} when it never will."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # these are for the supervisor, though all processes may get them
    values, endpoints = pickle.load(sys.stdin.buffer)  # noqa: S301 - the supervisor is the process that has started this one
    settings = Settings.model_construct(**values)
    configure_logs(settings.log_format, sys.stderr, worker=os.getpid())
    try:
        _run(settings, endpoints)
    except SettingsError as error:
        failure = CommandError(str(error), exit_code=USAGE)
    except CommandError as error:
        failure = error
    else:
        return
    _say("failed", failure.document)
    sys.exit(failure.exit_code)


def _run(settings: Settings, endpoints: Endpoints) -> None:
    from tokensvc.cli.serving import run_loop, serve  # noqa: PLC0415 - only now are signals as they must be

    async def serve_for_supervisor() -> None:
        orders = Orders(signal.SIGTERM)
        asyncio.get_running_loop().add_reader(_STDIN, _listen_to_supervisor, orders)
        await serve(settings, endpoints, orders, lambda facts: _say("serving", facts))

    run_loop(serve_for_supervisor())


def _listen_to_supervisor(orders: Orders) -> None:
    if os.read(_STDIN, 1) == HAND_OVER:
        orders.hand_over()
    else:
        asyncio.get_running_loop().remove_reader(_STDIN)
        orders.stop("the supervisor is gone")


def _say(what: str, document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps({what: document}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
