"""How documents are printed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import session_service_pb2, token_pb2, token_service_pb2

from tokensvc.cli.documents import document_of
from tokensvc.cli.output import Output

MOMENT = datetime(2027, 1, 15, 8, 0, 0, 123_000, tzinfo=UTC)


def printed(capsys: pytest.CaptureFixture[str], document: dict[str, Any], *, as_json: bool) -> str:
    """What is printed for a document."""
    Output(as_json).show(document)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (MOMENT, "2027-01-15T08:00:00.123Z"),
        (timedelta(0), "0s"),
        (timedelta(seconds=90), "90s"),
        (timedelta(hours=48), "2d"),
        (timedelta(days=400), "400d"),
        (timedelta(milliseconds=1500), "1.500s"),
        (["read", "write"], "read write"),
        ([1, None], "[1, null]"),
        ("two\nlines", "two\\nlines"),
        ("\ud800", "\\ud800"),
    ],
)
def test_a_value_for_people(capsys: pytest.CaptureFixture[str], value: Any, text: str) -> None:
    """Each kind of value has one readable form on one line."""
    assert printed(capsys, {"name": value}, as_json=False) == f"name: {text}\n"


def test_nested_members_are_paths(capsys: pytest.CaptureFixture[str]) -> None:
    """A member of a member is named by its path, and the values are aligned."""
    document = {"id": "x", "device": {"name": "phone", "none": {}}}
    assert printed(capsys, document, as_json=False) == "id:          x\ndevice.name: phone\ndevice.none: {}\n"


def test_json_keeps_the_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    """Moments are RFC 3339, spans are those of protobuf's JSON, and everything else is what it is."""
    document = {"moment": MOMENT, "span": timedelta(days=90), "list": [], "none": None, "text": "a\u009b"}
    written = printed(capsys, document, as_json=True)
    assert written.isascii()
    assert json.loads(written) == {
        "moment": "2027-01-15T08:00:00.123Z",
        "span": "7776000s",
        "list": [],
        "none": None,
        "text": "a\u009b",
    }


def test_a_message_is_a_document_without_what_says_nothing() -> None:
    """Absent and empty fields are left out; numbers and truth values are not, they always say something."""
    session = session_service_pb2.Session(
        session_id="x",
        state=session_service_pb2.SESSION_STATE_REVOKED,
        started_at=Timestamp(seconds=1_800_000_000, nanos=123_000_000),
        device=token_pb2.Device(),
        context=token_pb2.ClientContext(ip="192.0.2.1"),
    )
    assert document_of(session) == {
        "session_id": "x",
        "state": "REVOKED",
        "started_at": MOMENT,
        "context": {"ip": "192.0.2.1"},
        "generation": 0,
        "current": False,
    }


def test_a_struct_gives_whole_numbers_back() -> None:
    """Claims travel as doubles; 3 must not come back as 3.0."""
    claims = Struct()
    claims.update({"level": 3, "share": 0.5, "roles": [1, {"n": 2}]})
    document = document_of(token_service_pb2.IntrospectResponse(active=True, claims=claims))
    assert json.dumps(document["claims"], sort_keys=True) == '{"level": 3, "roles": [1, {"n": 2}], "share": 0.5}'
