"""`tokensvc audit`: list and tail at a real server, verify at the database."""

import json
import os
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import audit_service_pb2 as pb
from tokensvc_pb.v1.audit_service_pb2_grpc import AuditServiceServicer, add_AuditServiceServicer_to_server

from tests.cli.conftest import LiveServer, Run, call_as, json_of
from tests.cli.processes import LIMIT, TOKENSVC, plain_environment
from tests.cli.test_help import BIN, COMMANDS, examples_of

DATA = ("--data-dir", "d")
HEAD = ("chain", "position", "hash", "at")


def issue(run: Run, subject: str) -> str:
    """Start a session; answer its id."""
    return str(json_of(run("token", "issue", "--subject", subject, "--json"))["session_id"])


@pytest.mark.usefixtures("as_bff")
def test_list_filters(run: Run) -> None:
    """Each filter leaves out what it does not name."""
    session_id = issue(run, "audited")
    run("token", "revoke", "--session", session_id, "--reason", "logout")
    issue(run, "audited")

    def listed(*filters: str) -> list[str]:
        return [event["type"] for event in json_of(run("audit", "list", "--json", *filters))["events"]]

    assert listed("--subject", "audited") == ["session.issued", "session.revoked", "session.issued"]
    assert listed("--session", session_id) == ["session.revoked", "session.issued"]
    assert listed("--subject", "audited", "--type", "session.revoked") == ["session.revoked"]
    assert listed("--subject", "audited", "--since", "2100-01-01T00:00:00Z") == []
    assert listed("--subject", "audited", "--until", "2000-01-01T00:00:00Z") == []
    assert listed("--subject", "audited", "--client", "phone") == []


@pytest.mark.usefixtures("as_bff")
def test_list_is_a_table_for_people_and_names_the_next_page(run: Run) -> None:
    """A heading, a line for each event, and how to go on."""
    for _ in range(2):
        issue(run, "paged")
    heading, row, more = run("audit", "list", "--subject", "paged", "--page-size", "1").stdout.splitlines()
    assert heading.split()[:3] == ["sequence", "time", "type"]
    assert row.split()[2:6] == ["session.issued", "bff", "bff", "paged"]
    token = more.removeprefix("next_page_token: ")
    rest = json_of(run("audit", "list", "--subject", "paged", "--page-token", token, "--json"))
    assert len(rest["events"]) == 1


@pytest.mark.usefixtures("as_bff")
def test_tail_prints_a_line_for_each_event(run: Run) -> None:
    """In the order of their numbers, for people and as JSON."""
    issue(run, "tail me")
    line = run("audit", "tail", "--after", "1", "--subject", "tail me", "--count", "1").stdout
    assert line.count("\n") == 1
    assert " session.issued caller=bff client_id=bff subject=tail me " in line
    event = json.loads(run("audit", "tail", "--after", "1", "--subject", "tail me", "--count", "1", "--json").stdout)
    assert (event["type"], event["subject"], len(event["chain_hash"])) == ("session.issued", "tail me", 64)


def test_tail_shows_what_happens_now(run: Run, as_bff: LiveServer) -> None:
    """A process that follows prints an event soon after it has happened."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("TOKENSVC_")}
    with subprocess.Popen(
        [*TOKENSVC, "audit", "tail", "--subject", "now", "--count", "1", "--json"],
        stdout=subprocess.PIPE,
        env=plain_environment() | environment,
    ) as process:
        try:
            while process.poll() is None:
                issue(run, "now")
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:
                    continue
            assert process.stdout is not None
            assert json.loads(process.stdout.read())["subject"] == "now"
        finally:
            process.kill()


def test_who_may_not_read_the_trail_is_refused(run: Run, server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """List and tail end with the code of PERMISSION_DENIED."""
    call_as(server, "api", monkeypatch)
    for command in ("list", "tail"):
        assert "CALLER_NOT_PERMITTED" in run("audit", command, exit_code=71).stderr


@pytest.mark.parametrize("after", ["-1", "x", str(2**63 - 1), "9" * 20])
def test_a_number_that_no_event_has_is_wrong_usage(run: Run, after: str) -> None:
    """It is not sent at all."""
    assert "--after" in run("audit", "tail", "--after", after, exit_code=2).stderr


class EndingTrail(AuditServiceServicer):
    """A server whose streams begin behind event 41, have `numbers`, and end as `end` says."""

    def __init__(self, *numbers: int, begins: bool = True, end: grpc.StatusCode = grpc.StatusCode.OK) -> None:
        self._numbers, self._begins, self._end = numbers, begins, end

    def WatchAuditEvents(self, _request: pb.WatchAuditEventsRequest, context: Any) -> Any:
        """The stream."""
        if self._begins:
            context.send_initial_metadata((("tokensvc-after-sequence", "41"),))
        for number in self._numbers:
            yield pb.WatchAuditEventsResponse(event=pb.AuditEvent(sequence=number))
        if self._end is not grpc.StatusCode.OK:
            context.abort(self._end, "gone")


@pytest.mark.parametrize(
    ("trail", "said"),
    [
        (EndingTrail(), "ended the stream; go on with --after 41"),
        (EndingTrail(42, 43), "ended the stream; go on with --after 43"),
        (EndingTrail(end=grpc.StatusCode.UNAVAILABLE), "gone; go on with --after 41"),
        (EndingTrail(42, end=grpc.StatusCode.UNAVAILABLE), "gone; go on with --after 42"),
        (EndingTrail(begins=False, end=grpc.StatusCode.UNAVAILABLE), "gone\n"),
    ],
    ids=["nothing seen", "some seen", "nothing seen, outage", "some seen, outage", "never begun"],
)
def test_tail_says_where_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch, trail: EndingTrail, said: str) -> None:
    """However the stream ends, and though no event has come: so nothing that comes meanwhile is lost."""
    server = grpc.server(ThreadPoolExecutor(1))
    add_AuditServiceServicer_to_server(trail, server)
    monkeypatch.setenv("TOKENSVC_ADDRESS", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    monkeypatch.setenv("TOKENSVC_CLIENT_ID", "anybody")
    server.start()
    try:
        assert said in run("audit", "tail", exit_code=78 if "gone" in said else 1).stderr
    finally:
        server.stop(None).wait()


def trail(run: Run) -> Path:
    """A database with some events, each of a process of its own."""
    for name in ("one", "two", "three"):
        run("client", "create", name, *DATA)
    return Path("d/tokensvc.db")


def test_verify_fails_where_there_is_no_database(run: Run) -> None:
    """A directory that was mistyped has no trail that could be intact, and gets none."""
    assert "no database" in run("audit", "verify", *DATA, exit_code=2).stderr
    assert not Path("d").exists()


def test_verify_says_that_the_trail_is_intact(run: Run) -> None:
    """How many events there are, in how many chains, and that none is outside."""
    trail(run)
    said = run("audit", "verify", *DATA).stdout
    assert [line.split() for line in said.splitlines()] == [
        ["intact:", "yes"],
        ["events:", "3"],
        ["unchained:", "0"],
        ["chains:", "3"],
    ]


def test_verify_fails_when_an_event_was_changed(run: Run) -> None:
    """The exit code is 1, and the place is named."""
    with sqlite3.connect(trail(run)) as database:
        database.execute("UPDATE audit_events SET client_id = 'four' WHERE sequence = 2")
    said = json_of(run("audit", "verify", *DATA, "--json", exit_code=1))
    assert (said["intact"], [flaw["sequence"] for flaw in said["flaws"]]) == (False, [2])
    assert "number 2: " in run("audit", "verify", *DATA, exit_code=1).stdout


def test_verify_holds_the_trail_against_heads_that_were_kept(run: Run) -> None:
    """A chain that was taken away without a trace is missed."""
    path = trail(run)
    Path("heads.json").write_text(run("audit", "verify", *DATA, "--json").stdout)
    run("client", "create", "four", *DATA)
    run("audit", "verify", *DATA, "--expect", "heads.json")
    with sqlite3.connect(path) as database:
        database.executescript("DELETE FROM audit_events WHERE chain = 1; DELETE FROM audit_chains WHERE chain = 1")
    run("audit", "verify", *DATA)
    said = run("audit", "verify", *DATA, "--expect", "heads.json", exit_code=1).stdout
    assert "removed before their time" in said


def test_verify_finds_an_event_in_no_chain(run: Run) -> None:
    """One that was put in: it is named, with and without what was kept."""
    path = trail(run)
    Path("heads.json").write_text(run("audit", "verify", *DATA, "--json").stdout)
    with sqlite3.connect(path) as database:
        columns = "at, type, caller, client_id, subject, session_id, reason, ip, details"
        database.execute(f"INSERT INTO audit_events ({columns}) SELECT {columns} FROM audit_events LIMIT 1")
    said = run("audit", "verify", *DATA, exit_code=1).stdout
    assert [line.split()[:4] for line in said.splitlines()[-2:]] == [["chains:", "3"], ["no", "chain:", "number", "4:"]]
    assert "more events" in run("audit", "verify", *DATA, "--expect", "heads.json", exit_code=1).stdout


def test_verify_misses_a_beginning_that_was_taken_away(run: Run) -> None:
    """The output of --json says of the first event of each day when it may be pruned."""
    path = trail(run)
    Path("heads.json").write_text(run("audit", "verify", *DATA, "--json").stdout)
    with sqlite3.connect(path) as database:
        database.executescript(
            "UPDATE audit_chains SET base_position = 1, base_hash = (SELECT hash FROM audit_events WHERE chain = 1)"
            " WHERE chain = 1; DELETE FROM audit_events WHERE chain = 1"
        )
    run("audit", "verify", *DATA)
    assert "chain 1" in run("audit", "verify", *DATA, "--expect", "heads.json", exit_code=1).stdout


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "\x00", '{"heads": 1}', '{"heads": [{}]}', json.dumps({"heads": [dict.fromkeys(HEAD, "1")]})],
)
def test_heads_that_are_none_are_refused(run: Run, text: str) -> None:
    """A file of another kind is wrong usage, and is named."""
    trail(run)
    Path("heads.json").write_text(text)
    assert "heads.json" in run("audit", "verify", *DATA, "--expect", "heads.json", exit_code=2).stderr


def test_a_file_of_heads_that_is_not_there_fails_clearly(run: Run) -> None:
    """With its name."""
    assert "none.json" in run("audit", "verify", *DATA, "--expect", "none.json", exit_code=1).stderr


def test_the_pasted_examples_of_verify_work_one_after_the_other(run: Run) -> None:
    """The output of one is what the next one expects."""
    trail(run)
    script = "\n".join(examples_of(COMMANDS["audit verify"]))
    ended = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        env=plain_environment(data_dir="d") | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("intact:   ") == 1
