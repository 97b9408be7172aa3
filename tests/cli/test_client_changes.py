"""`tokensvc client update`, `delete` and `rotate-secret`, directly on the database."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import LiveServer, Run, call_as, json_of

COMMON = ("--data-dir", "d", "--json")


@pytest.fixture
def created(run: Run) -> dict[str, Any]:
    """A confidential client, as it was shown."""
    may = ("--permission", "issue,refresh", "--acts-for", "phone", "--scope", "read", "--name", "Ours")
    shown: dict[str, Any] = json_of(run("client", "create", "bff", *may, "--bind-device", "reject", *COMMON))
    return shown


def show(run: Run) -> dict[str, Any]:
    """The client as it is now."""
    shown: dict[str, Any] = json_of(run("client", "show", "bff", *COMMON))
    return shown


def audited() -> list[tuple[str, str, str]]:
    """The type, caller and details of what was audited."""
    with closing(sqlite3.connect(Path("d/tokensvc.db"))) as connection:
        rows = connection.execute("SELECT type, caller, details FROM audit_events ORDER BY sequence").fetchall()
    return [(kind, caller, details) for kind, caller, details in rows]


CHANGES = [
    (("--name", "Theirs"), ("name",), "Theirs"),
    (("--permission", "watch"), ("permissions",), ["watch"]),
    (("--permission", ""), ("permissions",), []),
    (("--acts-for", "web", "--acts-for", "tv"), ("acts_for",), ["tv", "web"]),
    (("--acts-for", ""), ("acts_for",), []),
    (("--answers-for", "api"), ("audiences",), ["api"]),
    (("--rate-limit", "2.5"), ("rate_limit", "per_second"), 2.5),
    (("--scope", "write", "--scope", "read"), ("token_policy", "scopes"), ["write", "read"]),
    (("--scope", ""), ("token_policy", "scopes"), []),
    (("--audience", "api"), ("token_policy", "audiences"), ["api"]),
    (("--access-ttl", "30s"), ("token_policy", "access_ttl"), "30s"),
    (("--rotation", "always"), ("token_policy", "rotation"), "always"),
    (("--max-sessions", "0"), ("token_policy", "max_sessions"), 0),
    (("--max-sessions", "3"), ("token_policy", "max_sessions"), 3),
    (("--bind-device", "end-session"), ("token_policy", "binding", "device"), "end_session"),
    (("--ipv4-prefix", "32"), ("token_policy", "binding", "ipv4_prefix_length"), 32),
    (
        ("--exchange-client", "tv", "--exchange-client", "phone"),
        ("exchange_policy", "subject_clients"),
        ["phone", "tv"],
    ),
    (("--exchange-client", ""), ("exchange_policy", "subject_clients"), []),
    (("--exchange-audience", "ledger"), ("exchange_policy", "audiences"), ["ledger"]),
    (("--exchange-scope", "read"), ("exchange_policy", "scopes"), ["read"]),
]


@pytest.mark.parametrize(("flags", "place", "value"), CHANGES, ids=str)
def test_update_changes_what_is_given_and_nothing_else(
    run: Run, created: dict[str, Any], flags: tuple[str, ...], place: tuple[str, ...], value: Any
) -> None:
    """The one field has its new value, also where that empties it; all others are as they were."""
    updated = json_of(run("client", "update", "bff", *flags, *COMMON))
    assert updated == show(run)
    expected = json.loads(json.dumps(created))
    del expected["client_secret"]
    part = expected
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    assert updated == {**expected, "updated_at": updated["updated_at"]}


def test_update_needs_something_to_do(run: Run, created: dict[str, Any]) -> None:
    """Without any option it is a usage error."""
    assert "nothing" in run("client", "update", "bff", "--data-dir", "d", exit_code=2).stderr


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (("--rotation", "never"), "token_policy.rotation"),
        (("--rotation", "periodic"), "token_policy.rotation_interval"),
        (("--rotation-interval", "1h"), "token_policy.rotation_interval"),
        (("--refresh-token-format", "stateless-jwt", "--max-sessions", "1"), "token_policy.max_sessions"),
        (("--max-sessions", "-1"), "token_policy.max_sessions"),
        (("--rate-burst", "5"), "rate_limit.burst"),
        (("--rate-limit", "0.0001"), "rate_limit.per_second"),
        (("--ipv6-prefix", "0"), "token_policy.binding.ipv6_prefix_length"),
        (("--scope", "read", "--scope", ""), "token_policy.scopes"),
        (("--exchange-client", "a b"), "exchange_policy.subject_clients"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_field(
    run: Run, created: dict[str, Any], flags: tuple[str, ...], field: str
) -> None:
    """Create and update say the same, and nothing is changed."""
    for command in (("create", "other"), ("update", "bff")):
        said = json.loads(run("client", *command, *flags, *COMMON, exit_code=67).stderr)
        assert (said["reason"], said["field"]) == ("INVALID_REQUEST", field)
    assert len(json_of(run("client", "list", *COMMON))["clients"]) == 1
    assert len(audited()) == 1


def test_delete_asks(run: Run, created: dict[str, Any]) -> None:
    """Nothing happens unless the answer is yes; the question is not part of the output."""
    refused = run("client", "delete", "bff", *COMMON, stdin="n\n", exit_code=1)
    assert refused.stdout == ""
    run("client", "delete", "bff", *COMMON, exit_code=1)
    assert show(run)["client_id"] == "bff"
    deleted = json_of(run("client", "delete", "bff", *COMMON, stdin="y\n"))
    assert deleted == {"client_id": "bff", "revision": 2}
    run("client", "show", "bff", *COMMON, exit_code=69)


def test_delete_does_not_ask_when_told(run: Run, created: dict[str, Any]) -> None:
    """Scripts say --yes."""
    run("client", "delete", "bff", "--yes", *COMMON)
    assert json_of(run("client", "list", *COMMON)) == {"clients": []}


def test_what_an_operator_does_is_audited_without_a_caller(run: Run, created: dict[str, Any]) -> None:
    """One event for each act, in order; what changed is named, never a secret."""
    run("client", "update", "bff", "--name", "Theirs", "--scope", "write", *COMMON)
    run("client", "disable", "bff", *COMMON)
    run("client", "enable", "bff", *COMMON)
    rotated = json_of(run("client", "rotate-secret", "bff", *COMMON))
    run("client", "delete", "bff", "--yes", *COMMON)
    events = audited()
    assert [kind for kind, _, _ in events] == [
        *("client.created", "client.updated", "client.disabled", "client.enabled"),
        *("client.secret_rotated", "client.deleted"),
    ]
    assert {caller for _, caller, _ in events} == {""}
    assert json.loads(events[1][2]) == {"fields": "name token_policy.scopes"}
    assert rotated["client_secret"] not in str(events)
    assert created["client_secret"] not in str(events)


def test_a_rotated_secret_reaches_a_running_server(
    run: Run, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both secrets open the door during the overlap; a rotation without one ends those before at once."""
    common = ("--data-dir", server.data_dir, "--json")
    old = json_of(run("client", "create", "rotating", "--permission", "introspect", *common))["client_secret"]
    new = json_of(run("client", "rotate-secret", "rotating", *common))["client_secret"]
    last = json_of(run("client", "rotate-secret", "rotating", "--overlap", "1h", *common))["client_secret"]
    for secret, exit_code in ((old, 80), (new, 0), (last, 0)):
        server.secrets["rotating"] = secret
        call_as(server, "rotating", monkeypatch)
        run("token", "introspect", "x", exit_code=exit_code)
    json_of(run("client", "rotate-secret", "rotating", "--overlap", "0s", *common))
    run("token", "introspect", "x", exit_code=80)


def test_rotate_secret_says_until_when_the_old_one_is_good(run: Run, created: dict[str, Any]) -> None:
    """The new secret and the moment, for people line by line."""
    lines = run("client", "rotate-secret", "bff", "--data-dir", "d").stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["client_id", "client_secret", "previous_expires_at"]
    assert lines[1].split()[1].startswith("tscs_")


@pytest.mark.parametrize(("flags", "field"), [(("bff", "--overlap", "31d"), "overlap"), (("phone",), "client_id")])
def test_a_bad_rotation_is_refused(run: Run, created: dict[str, Any], flags: tuple[str, ...], field: str) -> None:
    """An overlap out of bounds, and a client that has no secret."""
    run("client", "create", "phone", "--public", *COMMON)
    said = json.loads(run("client", "rotate-secret", *flags, *COMMON, exit_code=67).stderr)
    assert said["field"] == field


def test_a_deletion_reaches_a_running_server(run: Run, server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is not recognised any more from the next call on."""
    common = ("--data-dir", server.data_dir, "--json")
    secret = json_of(run("client", "create", "short-lived", "--permission", "introspect", *common))["client_secret"]
    server.secrets["short-lived"] = secret
    call_as(server, "short-lived", monkeypatch)
    run("token", "introspect", "x")
    run("client", "delete", "short-lived", "--yes", *common)
    run("token", "introspect", "x", exit_code=80)
