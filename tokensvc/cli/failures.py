"""Owns how a command fails: what it says on standard error, and its exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from tokensvc.cli.output import Output
from tokensvc.config import SettingsError

FAILED: Final = 1
USAGE: Final = 2
_FIRST_GRPC: Final = 64


class CommandError(Exception):
    """A command cannot do what it was asked for; `code` and `reason` are those of a refusal, where there is one."""

    def __init__(
        self, message: str, *, exit_code: int = FAILED, code: str = "", reason: str = "", field: str = ""
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.document = {
            name: value
            for name, value in (("error", message), ("reason", reason), ("code", code), ("field", field))
            if value
        }


def exit_code_of(number: int) -> int:
    """The exit code for the gRPC status code `number`."""
    return _FIRST_GRPC + number


@contextmanager
def reporting(output: Output) -> Iterator[None]:
    """Turn the failure of what runs inside into words on standard error and an exit code."""
    try:
        yield
    except SettingsError as error:
        failure = CommandError(str(error), exit_code=USAGE)
    except CommandError as error:
        failure = error
    else:
        return
    output.show(failure.document, err=True)
    raise click.exceptions.Exit(failure.exit_code)
