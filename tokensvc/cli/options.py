"""Owns what the commands' options share: flags made from the settings, --json, examples in the help."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args

import click
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from tokensvc.cli.failures import reporting
from tokensvc.cli.output import Output
from tokensvc.config import CONFIG_FILE, PREFIX, Settings, load_settings

_TLS: Final = ("tls", "tls_ca_file", "tls_cert_file", "tls_key_file", "tls_server_name")
CALLING: Final = ("address", "insecure", *_TLS, "client_id", "client_secret", "timeout")
_ALSO_SERVING: Final = {"insecure", "tls_cert_file", "tls_key_file"}
SERVING: Final = tuple(name for name in Settings.model_fields if name not in set(CALLING) - _ALSO_SERVING)

Function = Callable[..., Any]

_METAVARS = {Path: "PATH", int: "INTEGER", float: "NUMBER"}


class Command(click.Command):
    """A command that never repeats surplus arguments in its error: one of them may be a token."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but for the words of the error."""
        ctx.allow_extra_args = True
        surplus = super().parse_args(ctx, args)
        if surplus and not ctx.resilient_parsing:
            ctx.fail("there are more arguments than this command takes")
        return surplus


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


def examples(*lines: str) -> str:
    """The end of a command's help: lines that work when they are pasted into a shell."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def reported(function: Function) -> Function:
    """Add --json; `function` gets the output first, and its failures are reported there."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, also for errors.")
    @wraps(function)
    def command(as_json: bool, **values: Any) -> None:  # noqa: FBT001 - click passes it by name
        output = Output(as_json)
        with reporting(output):
            function(output, **values)

    return command


def reported_plainly(function: Function) -> Function:
    """The failures of `function`, which prints for people alone, are reported."""

    @wraps(function)
    def command(**values: Any) -> None:
        with reporting(Output()):
            function(**values)

    return command


def configured(*names: str) -> Callable[[Function], Function]:
    """Add a flag for each of the settings `names`, and --config; `function` gets the settings as its last argument."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def command(*args: Any, config: Path | None, **values: Any) -> Any:
            flags = {name: values.pop(_parameter(name)) for name in names}
            return function(*args, load_settings(flags, config), **values)

        with_config: Function = click.option(
            "--config", type=click.Path(path_type=Path), help=f"TOML file with settings. [{CONFIG_FILE}]"
        )(command)
        for name in reversed(names):
            with_config = _option(name, Settings.model_fields[name])(with_config)
        return with_config

    return decorate


def _option(name: str, field: FieldInfo) -> Callable[[Function], Function]:
    """A flag whose value only the settings check, so that a bad one is refused alike wherever it comes from."""
    flag = "--" + name.replace("_", "-")
    notes = [f"{PREFIX}{name.upper()}"]
    default = field.get_default()
    if default not in (None, "") and not isinstance(default, bool | SecretStr):
        notes.append(f"default: {default}")
    text = f"{field.description} [{'; '.join(notes)}]"
    if field.annotation is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", _parameter(name), default=None, help=text)
    return click.option(flag, _parameter(name), metavar=_metavar(field.annotation), help=text)


def _parameter(name: str) -> str:
    """A name that no command's own parameter has: a command may have a client_id that is not the caller's."""
    return f"setting_{name}"


def _metavar(annotation: Any) -> str:
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    return _METAVARS.get(kinds[0], "TEXT")
