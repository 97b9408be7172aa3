"""Owns what a command prints: a document as JSON, or for people as aligned lines and small tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import click

from tokensvc.cli.printable import printable

Document = Mapping[str, Any]
"""JSON values, and besides them moments (aware) and spans."""

_UNITS = (("d", 86_400), ("h", 3600), ("m", 60))


@dataclass(frozen=True, slots=True)
class Output:
    """Prints documents, as JSON where scripts read them."""

    as_json: bool = False

    def show(self, document: Document, *, err: bool = False) -> None:
        """Print one document."""
        click.echo(_json(document) if self.as_json else "\n".join(_lines(document)), err=err)

    def show_list(self, name: str, documents: Sequence[Document], columns: Sequence[str], **others: str) -> None:
        """Print documents: all of them under `name` in JSON, else the `columns` of each; `others` where not empty.

        A column is the name of a member, like `state`, or the path to one, like `device.id`.
        """
        rest = {key: value for key, value in others.items() if value}
        if self.as_json:
            click.echo(_json({name: documents, **rest}))
            return
        click.echo("\n".join(_table(documents, columns)) if documents else f"no {name}")
        for line in _lines(rest):
            click.echo(line)


def rfc3339(moment: datetime) -> str:
    """Write an aware UTC `moment` with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span_text(span: timedelta) -> str:
    """Write `span` in its largest whole unit, as options take it."""
    seconds = span.total_seconds()
    for unit, size in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return _seconds(seconds)


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f}s" if seconds.is_integer() else f"{seconds:.3f}s"


def _json(document: Document) -> str:
    # ASCII alone, so that no text in it can steer a terminal.
    return json.dumps(document, indent=2, default=_json_value)


def _json_value(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, timedelta):
        return _seconds(value.total_seconds())
    raise TypeError(type(value))


def _lines(document: Document) -> list[str]:
    entries = list(_flat(document))
    width = max((len(name) for name, _ in entries), default=0) + 1
    return [f"{name + ':':<{width}} {value}".rstrip() for name, value in entries]


def _flat(document: Document, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{printable(name)}.")
        else:
            yield f"{prefix}{printable(name)}", _text(value)


def _table(documents: Sequence[Document], columns: Sequence[str]) -> list[str]:
    flat = [dict(_flat(document)) for document in documents]
    rows = [columns, *([entries.get(column, "-") for column in columns] for entries in flat)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _text(value: Any) -> str:
    match value:
        case None | "" | [] | ():
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return rfc3339(value)
        case timedelta():
            return span_text(value)
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return printable(" ".join(value))
        case Mapping() | list() | tuple():
            return printable(json.dumps(value))
        case _:
            return printable(str(value))
