"""Owns the server's log lines: one line an event on standard error, which no value in it can forge."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from tokensvc.cli.printable import printable

_MARGIN = "    | "
_HEADER_PAUSE: Final = 1.0  # seconds


class HeadersKeptOut(logging.Filter):
    """Keeps headers that are not UTF-8 out of the log: gRPC writes them as they came, credentials too, thrice an RPC.

    That there was one is said once a second at most: anybody can send them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        super().__init__()
        self._clock = clock
        self._next = -_HEADER_PAUSE

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is to be written; one about a header has lost what was in it."""
        if not (record.name.startswith("grpc") and str(record.msg).startswith("Invalid encoding")):
            return True
        if (now := self._clock()) < self._next:
            return False
        self._next = now + _HEADER_PAUSE
        record.msg, record.args = "a caller has sent a header that is not UTF-8", None
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def configure_logs(log_format: str, stream: TextIO, worker: int | None = None) -> None:
    """Send all log lines to `stream`, those of libraries too, as "json" or for the "console".

    They name the process `worker`, where it is one of several.
    """
    first, last = processors(log_format, colors=stream.isatty())
    if worker is not None:
        first = [_named(worker), *first]
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),  # a line in one write: workers share the stream
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=first, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    handler.addFilter(HeadersKeptOut())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def processors(log_format: str, *, colors: bool = False) -> tuple[list[Processor], list[Processor]]:
    """How an event becomes a line: what is added to it, and how it is written."""
    first: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if log_format == "json":
        return first, [structlog.processors.JSONRenderer()]  # JSON escapes what could forge a line
    return first, [one_line, structlog.dev.ConsoleRenderer(colors=colors)]


def _named(worker: int) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {"worker": worker, **event}

    return add


def one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape every text of `event`; a traceback stays readable behind a margin that no log line has."""
    trace = event.pop("exception", None)
    safe: dict[str, Any] = {printable(name): _safe(value) for name, value in event.items()}
    if trace is not None:
        safe["exception"] = "\n".join(_MARGIN + printable(line) for line in str(trace).splitlines())
    return safe


def _safe(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return printable(value if isinstance(value, str) else repr(value))
