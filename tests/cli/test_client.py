"""`tokensvc client`, directly on the database."""

import hashlib
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import LiveServer, Run, call_as, json_of


def stored_hash(data_dir: Path, client_id: str) -> bytes | None:
    """What the database keeps of the client's secret."""
    database = sqlite3.connect(data_dir / "tokensvc.db")
    found: bytes | None
    (found,) = database.execute("SELECT secret_hash FROM clients WHERE client_id = ?", (client_id,)).fetchone()
    database.close()
    return found


def test_a_client_is_confidential_by_default_and_gets_a_secret(run: Run) -> None:
    """The secret is printed, and the database keeps its hash alone."""
    created = json_of(run("client", "create", "bff", "--data-dir", "d", "--json"))
    assert created["type"] == "CONFIDENTIAL"
    assert stored_hash(Path("d"), "bff") == hashlib.sha256(created["client_secret"].encode()).digest()


def test_a_public_client_gets_no_secret(run: Run) -> None:
    """A public client has no secret, neither in the answer nor in the database."""
    created = json_of(run("client", "create", "phone", "--public", "--data-dir", "d", "--json"))
    assert created["type"] == "PUBLIC"
    assert "client_secret" not in created
    assert stored_hash(Path("d"), "phone") is None


def test_every_option_of_create_arrives(run: Run) -> None:
    """What create was told is what show tells."""
    run(
        *("client", "create", "bff", "--data-dir", "d", "--name", "Our BFF", "--permission", "issue,refresh"),
        *("--permission", "watch", "--acts-for", "phone", "--acts-for", "web", "--answers-for", "api"),
        *("--scope", "read", "--scope", "write", "--audience", "billing", "--access-ttl", "30s"),
        *("--refresh-idle-ttl", "12h", "--refresh-absolute-ttl", "30d", "--retry-window", "0s"),
        *("--rotation", "selective", "--rotation-interval", "7d", "--refresh-token-format", "jwt"),
        *("--max-sessions", "5", "--at-session-limit", "refuse", "--sender-constraint", "dpop"),
        *("--bind-device", "reject", "--bind-ip", "audit", "--bind-user-agent", "end-session"),
        *("--bind-credentials", "ignore", "--ipv4-prefix", "16", "--ipv6-prefix", "64"),
    )
    shown = json_of(run("client", "show", "bff", "--data-dir", "d", "--json"))
    assert shown["name"] == "Our BFF"
    assert shown["permissions"] == ["issue", "refresh", "watch"]
    assert shown["acts_for"] == ["phone", "web"]
    assert shown["audiences"] == ["api"]
    assert shown["token_policy"] == {
        "access_ttl": "30s",
        "refresh_idle_ttl": "43200s",
        "refresh_absolute_ttl": "2592000s",
        "retry_window": "0s",
        "scopes": ["read", "write"],
        "audiences": ["billing"],
        "rotation": "selective",
        "rotation_interval": "604800s",
        "refresh_token_format": "jwt",
        "max_sessions": 5,
        "session_limit_action": "refuse",
        "binding": {
            "device": "reject",
            "ip": "audit",
            "user_agent": "end_session",
            "credential_version": "ignore",
            "ipv4_prefix_length": 16,
            "ipv6_prefix_length": 64,
        },
        "sender_constraint": "dpop",
    }


def test_a_client_is_shown_with_all_its_defaults(run: Run) -> None:
    """People see what holds, said or not."""
    run("client", "create", "phone", "--public", "--data-dir", "d")
    said = dict(
        line.split(maxsplit=1) for line in run("client", "show", "phone", "--data-dir", "d").stdout.splitlines()
    )
    assert said["token_policy.rotation:"] == "graceful"
    assert said["token_policy.rotation_interval:"] == "0s"
    assert said["token_policy.session_limit_action:"] == "end_oldest"
    assert said["token_policy.binding.credential_version:"] == "reject"
    assert said["token_policy.binding.ipv6_prefix_length:"] == "48"


def test_show_never_shows_the_secret_again(run: Run) -> None:
    """The secret stands in the answer of create and nowhere else."""
    secret = json_of(run("client", "create", "bff", "--data-dir", "d", "--json"))["client_secret"]
    later = run("client", "show", "bff", "--data-dir", "d").output + run("client", "list", "--data-dir", "d").output
    assert secret not in later


def test_list_shows_the_clients_in_the_order_of_their_ids(run: Run) -> None:
    """List answers all clients, sorted."""
    for name in ("web", "api"):
        run("client", "create", name, "--data-dir", "d")
    listed = json_of(run("client", "list", "--data-dir", "d", "--json"))["clients"]
    assert [client["client_id"] for client in listed] == ["api", "web"]


def test_list_is_a_table_for_people(run: Run) -> None:
    """Without --json the list is a table with a line for each client under a heading."""
    run("client", "create", "phone", "--public", "--data-dir", "d")
    heading, row = run("client", "list", "--data-dir", "d").stdout.splitlines()
    assert heading.split()[:3] == ["client_id", "type", "disabled"]
    assert row.split()[:3] == ["phone", "PUBLIC", "no"]
    assert heading.index("type") == row.index("PUBLIC")


def test_an_empty_list_says_so(run: Run) -> None:
    """A list without entries is a sentence for people and an empty list in JSON."""
    assert run("client", "list", "--data-dir", "d").stdout == "no clients\n"
    assert json_of(run("client", "list", "--data-dir", "d", "--json")) == {"clients": []}


def test_disable_and_enable_reach_a_running_server(
    run: Run, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that runs refuses the client from the next call on, and knows it again when it is enabled."""
    common = ("--data-dir", server.data_dir, "--json")
    secret = json_of(run("client", "create", "watchful", "--permission", "introspect", *common))["client_secret"]
    server.secrets["watchful"] = secret
    call_as(server, "watchful", monkeypatch)
    run("token", "introspect", "x")
    assert json_of(run("client", "disable", "watchful", *common))["disabled"] is True
    run("token", "introspect", "x", exit_code=80)
    assert json_of(run("client", "enable", "watchful", *common))["disabled"] is False
    run("token", "introspect", "x")


def test_a_taken_name_fails_as_already_exists(run: Run) -> None:
    """A refusal gives its reason and field, and 64 and its gRPC code as the exit code."""
    run("client", "create", "bff", "--data-dir", "d")
    result = run("client", "create", "bff", "--data-dir", "d", exit_code=70)
    assert "CLIENT_EXISTS" in result.stderr
    assert "client_id" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["show", "disable", "enable", "update --name x", "delete --yes", "rotate-secret"])
def test_an_unknown_client_fails_as_not_found(run: Run, command: str) -> None:
    """A client that is not there is CLIENT_NOT_FOUND."""
    result = run("client", *command.split(), "nobody", "--data-dir", "d", exit_code=69)
    assert "CLIENT_NOT_FOUND" in result.stderr


def test_a_value_out_of_bounds_fails_as_invalid_argument(run: Run) -> None:
    """A policy that the service does not allow is refused, and nothing is registered."""
    result = run("client", "create", "bff", "--data-dir", "d", "--access-ttl", "2d", exit_code=67)
    assert "token_policy.access_ttl" in result.stderr
    assert json_of(run("client", "list", "--data-dir", "d", "--json")) == {"clients": []}


def test_an_unknown_permission_is_a_usage_error(run: Run) -> None:
    """The error lists the permissions that there are."""
    result = run("client", "create", "bff", "--permission", "issue,fly", exit_code=2)
    assert "introspect" in result.stderr


def test_a_broken_database_fails_as_unavailable(run: Run) -> None:
    """A file that is no database is a clear line, not a traceback."""
    Path("d").mkdir()
    Path("d/tokensvc.db").write_bytes(b"not a database, but long enough to look like one" * 50)
    result = run("client", "list", "--data-dir", "d", exit_code=78)
    assert "file is not a database" in result.stderr
