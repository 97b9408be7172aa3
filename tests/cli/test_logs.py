"""Log lines that no value can forge."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.harness import Service
from tests.rpc.test_raw_headers import answer_to
from tokensvc.cli.logs import HeadersKeptOut, configure_logs, processors

FORGED = "x\r\n2026-01-01T00:00:00Z [info     ] forged\u2028\x85\x1b[2J"


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Logging is set up for the whole process; afterwards it is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def line_of(log_format: str, event: str = "event", **values: Any) -> str:
    """What is written for an event."""
    stream = io.StringIO()
    first, last = processors(log_format)
    structlog.wrap_logger(structlog.PrintLogger(stream), processors=[*first, *last]).info(event, **values)
    return stream.getvalue()


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize(
    "values",
    [
        {"value": FORGED},
        {"event": FORGED},
        {FORGED: "value"},
        {"value": [FORGED, {"a": FORGED}]},
        {"value": ValueError(FORGED)},
    ],
)
def test_an_event_is_one_line(log_format: str, values: dict[str, Any]) -> None:
    """Line breaks and control characters in an event, a name or a value are written as escapes."""
    written = line_of(log_format, **values)
    assert len(written.splitlines()) == 1
    assert "forged" in written
    assert "\x1b" not in written


def test_a_traceback_cannot_forge_a_line_on_the_console() -> None:
    """Every line of a traceback stands behind a margin, whatever the exception's text is."""
    written = line_of("console", exc_info=ValueError(FORGED))
    event, *trace = written.splitlines()
    assert "event" in event
    assert any("forged" in line for line in trace)
    assert all(line.startswith("    | ") for line in trace)


def test_json_lines_are_json() -> None:
    """An event is an object with its level, its time and its values."""
    written = json.loads(line_of("json", port=50051, path="/x"))
    assert written.pop("timestamp").endswith("Z")
    assert written == {"event": "event", "level": "info", "port": 50051, "path": "/x"}


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_libraries_log_in_the_same_form(log_format: str) -> None:
    """What a library logs is one line like the server's own."""
    stream = io.StringIO()
    configure_logs(log_format, stream)
    logging.getLogger("a.library").warning("it said %s", FORGED)
    written = stream.getvalue()
    assert len(written.splitlines()) == 1
    assert "it said x" in written
    assert written.startswith("{") == (log_format == "json")


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize("log_format", ["console", "json"])
async def test_a_header_that_is_not_text_stays_out_of_the_log(service: Service, log_format: str) -> None:
    """By itself gRPC would write it, with all credentials in it, and anybody can send as many as they like."""
    stream = io.StringIO()
    configure_logs(log_format, stream)
    for _ in range(5):
        assert b"not authenticated" in await answer_to(service.port, b"Basic hush-\xff-hush")
    written = stream.getvalue()
    assert "hush" not in written
    assert "Traceback" not in written
    assert "a caller has sent a header that is not UTF-8" in written
    assert len(written.splitlines()) < 5


def test_of_such_headers_there_is_one_line_a_second() -> None:
    """Others of gRPC's lines are written as ever."""
    now = [0.0]
    kept_out = HeadersKeptOut(lambda: now[0])

    def is_written(message: str) -> bool:
        return kept_out.filter(logging.LogRecord("grpc._cython.cygrpc", logging.ERROR, "", 0, message, (), None))

    assert is_written("Invalid encoding on b'1'")
    assert not is_written("Invalid encoding on b'2'")
    assert is_written("something else")
    now[0] = 1
    assert is_written("Invalid encoding on b'3'")


class Writes(io.StringIO):
    """A stream that keeps what it is given, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def write(self, text: str) -> int:
        """Keep it."""
        self.parts.append(text)
        return len(text)


@pytest.mark.usefixtures("logging_as_before")
def test_the_lines_of_a_worker_name_it_and_are_written_whole() -> None:
    """Of processes that share a stream it is known who has said what, and no line gets into another."""
    stream = Writes()
    configure_logs("json", stream, worker=4711)
    structlog.get_logger().info("ours")
    logging.getLogger("a.library").warning("theirs")
    assert [part[-1] for part in stream.parts] == ["\n", "\n"]
    assert [(said["event"], said["worker"]) for said in map(json.loads, stream.parts)] == [
        ("ours", 4711),
        ("theirs", 4711),
    ]
