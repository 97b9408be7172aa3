"""The operator's script, against a token service."""

from collections.abc import Iterator

import pytest
from tokensvc_client import AuditFilter, Client, ClientType, Permission, Secret, TokenClient

from examples.operator import end_sessions
from examples.operator.__main__ import PERMISSIONS
from examples.stage import Stage


@pytest.fixture(scope="module")
def issuing(stage: Stage) -> Iterator[TokenClient]:
    """Who logs users in."""
    stage.register(Client("operator-app", type=ClientType.PUBLIC))
    bff = stage.register(Client("operator-bff", permissions=(Permission.ISSUE,), acts_for=("operator-app",)))
    with TokenClient(stage.address, credentials=bff) as client:
        yield client


@pytest.fixture(scope="module")
def operator(stage: Stage) -> Secret:
    """Who runs the script."""
    return stage.register(Client("an-operator", permissions=PERMISSIONS))


@pytest.fixture(autouse=True)
def environment(stage: Stage, operator: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the script is told of the service."""
    monkeypatch.setenv("TOKENSVC_ADDRESS", stage.address)
    monkeypatch.setenv("TOKENSVC_CLIENT_ID", operator.client_id)
    monkeypatch.setenv("TOKENSVC_CLIENT_SECRET", operator.client_secret)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the script."""
    monkeypatch.setattr("sys.argv", ["end_sessions", *arguments])
    return end_sessions.main()


def test_it_ends_all_sessions_and_says_why(
    issuing: TokenClient, stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many are listed as some and a number; the reason stands in the audit trail; other users keep theirs."""
    for _ in range(25):
        issuing.issue(subject="ada-25", client_id="operator-app")
    issuing.issue(subject="grace-1", client_id="operator-app")
    assert run(monkeypatch, "ada-25", "--reason", "TICKET-7", "--yes") == 0
    printed = capsys.readouterr().out
    assert printed.count("operator-app  no device") == end_sessions.MOST_SHOWN
    assert "ada-25 has 25 live sessions" in printed
    assert "ada-25 has 0 live sessions" in printed
    events = stage.administrator.list_audit_events(filter=AuditFilter(subject="ada-25")).events
    assert "TICKET-7" in {event.reason for event in events}
    assert run(monkeypatch, "grace-1", "--reason", "TICKET-7") == 0
    assert "grace-1 has 1 live sessions" in capsys.readouterr().out


def test_nothing_happens_unless_it_is_said(
    issuing: TokenClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --yes the sessions are listed alone."""
    issuing.issue(subject="ada-1", client_id="operator-app")
    for _ in range(2):
        assert run(monkeypatch, "ada-1", "--reason", "TICKET-7") == 0
    assert capsys.readouterr().out.count("ada-1 has 1 live sessions") == 2


def test_what_goes_wrong_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and there is no traceback."""
    monkeypatch.setenv("TOKENSVC_CLIENT_SECRET", "wrong")
    assert run(monkeypatch, "ada", "--reason", "TICKET-7") == 1
    assert "CALLER_UNAUTHENTICATED" in capsys.readouterr().err
