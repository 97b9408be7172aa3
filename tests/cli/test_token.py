"""`tokensvc token`, against a real server."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import LiveServer, Run, call_as, json_of

pytestmark = pytest.mark.usefixtures("as_bff")

TO_BILLING = ("--audience", "billing-api")


def issue(run: Run, subject: str, *more: str) -> dict[str, Any]:
    """Issue a pair of tokens."""
    answer: dict[str, Any] = json_of(run("token", "issue", "--subject", subject, "--json", *more))
    return answer


def claims(run: Run, access_token: str) -> dict[str, object]:
    """The claims of an access token, as decode shows them."""
    return dict(json_of(run("token", "decode", access_token, "--json"))["claims"])


def is_active(run: Run, token: str, *more: str) -> bool:
    """What introspect says of a token."""
    return bool(json_of(run("token", "introspect", token, "--json", *more))["active"])


def test_issue_prints_aligned_lines_for_people(run: Run) -> None:
    """Every line is a name, a colon and a value; all values begin in one column."""
    lines = run("token", "issue", "--subject", "lines").stdout.splitlines()
    columns = {len(line) - len(line.split(":", 1)[1].lstrip()) for line in lines}
    assert [line.split(":")[0] for line in lines][:2] == ["access_token", "token_type"]
    assert len(columns) == 1


def test_issue_prints_one_json_document(run: Run) -> None:
    """With --json the answer has the names of the proto, and numbers are numbers."""
    answer = issue(run, "json")
    assert answer["refresh_token"].startswith("tsr1_")
    assert answer["scopes"] == ["read", "write"]
    assert answer["expires_in"] == 300


def test_what_issue_was_told_stands_in_the_token(run: Run) -> None:
    """Client, scope, audience, device, lifetime and claims of the request reach the access token."""
    answer = issue(
        *(run, "told", "--for-client", "phone", "--scope", "read", "--audience", "api", "--device-id", "phone-1"),
        *("--access-ttl", "30s", "--refresh-ttl", "12h", "--claim", 'tenant="acme"', "--claim", "roles=[1, true]"),
    )
    said = claims(run, answer["access_token"])
    assert said["client_id"] == "phone"
    assert said["scope"] == "read"
    assert said["device_id"] == "phone-1"
    assert said["tenant"] == "acme"
    assert said["roles"] == [1, True]
    assert answer["expires_in"] == 30
    assert answer["refresh_expires_in"] == 43_200


def test_access_only_answers_no_refresh_token(run: Run) -> None:
    """An access token alone has no session."""
    answer = issue(run, "alone", "--access-only")
    assert "refresh_token" not in answer
    assert "session_id" not in answer


def test_a_repeated_idempotency_key_answers_the_same_session(run: Run) -> None:
    """The key makes a repeated issue answer with the same refresh token."""
    first = issue(run, "again", "--idempotency-key", "login-4711-of-ada")
    assert issue(run, "again", "--idempotency-key", "login-4711-of-ada")["refresh_token"] == first["refresh_token"]


def test_refresh_takes_the_token_as_an_argument(run: Run) -> None:
    """The next refresh token belongs to the same session."""
    first = issue(run, "argument")
    second = json_of(run("token", "refresh", first["refresh_token"], "--json"))
    assert second["session_id"] == first["session_id"]
    assert second["refresh_token"] != first["refresh_token"]


@pytest.mark.parametrize("command", ["refresh", "introspect", "revoke", "decode"])
def test_a_token_is_read_from_standard_input(run: Run, command: str) -> None:
    """With - the token comes from standard input, white space around it does not count."""
    run("token", command, "-", stdin=f"  {issue(run, 'stdin')['refresh_token']}\n")


@pytest.mark.parametrize("stdin", ["", " \n", b"\xff\xfe"])
def test_standard_input_without_a_token_is_a_usage_error(run: Run, stdin: str | bytes) -> None:
    """No token, or something that is not text, is refused before the server is asked."""
    run("token", "refresh", "-", stdin=stdin, exit_code=2)


def test_refresh_can_ask_for_less(run: Run) -> None:
    """The access token has the one scope that was asked for."""
    first = issue(run, "less")
    second = json_of(run("token", "refresh", first["refresh_token"], "--scope", "read", "--json"))
    assert second["scopes"] == ["read"]


def test_refresh_names_the_client_that_the_token_must_belong_to(run: Run) -> None:
    """Another client's token is refused with CLIENT_MISMATCH, which is PERMISSION_DENIED."""
    first = issue(run, "mismatch")
    result = run("token", "refresh", first["refresh_token"], "--for-client", "phone", exit_code=71)
    assert "CLIENT_MISMATCH" in result.stderr


def test_a_failed_call_says_reason_message_and_code(run: Run) -> None:
    """A refused refresh prints nothing on standard output, and ends with 64 and the code UNAUTHENTICATED."""
    result = run("token", "refresh", "tsr1_made-up", exit_code=80)
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "error:  the refresh token is not valid",
        "reason: REFRESH_TOKEN_INVALID",
        "code:   UNAUTHENTICATED",
    ]


def test_a_failed_call_is_json_for_scripts(run: Run) -> None:
    """With --json the failure is a JSON object on standard error, with the field at fault."""
    result = run("token", "issue", "--subject", "", "--json", exit_code=67)
    failure = json.loads(result.stderr)
    assert failure["reason"] == "INVALID_REQUEST"
    assert failure["field"] == "subject"
    assert failure["code"] == "INVALID_ARGUMENT"
    assert result.stdout == ""


def test_introspect_shows_what_an_active_token_says(run: Run) -> None:
    """An active token is shown with moments in RFC 3339 and its own claims."""
    access_token = issue(run, "shown", "--claim", "level=3")["access_token"]
    answer = json_of(run("token", "introspect", access_token, "--json"))
    assert answer["active"] is True
    assert answer["subject"] == "shown"
    assert answer["token_use"] == "ACCESS"
    assert answer["claims"] == {"level": 3}
    assert answer["expires_at"].endswith("Z")


def test_introspect_says_nothing_but_inactive_of_a_dead_token(run: Run) -> None:
    """An inactive token is an answer like others, so the exit code is 0."""
    assert json_of(run("token", "introspect", "x", "--json")) == {"active": False}
    assert run("token", "introspect", "x").stdout == "active: no\n"


def test_introspect_can_demand_audience_and_scope(run: Run) -> None:
    """A token without the audience or the scope is inactive."""
    access_token = issue(run, "demanding", "--scope", "read")["access_token"]
    assert is_active(run, access_token, "--audience", "api", "--require-scope", "read")
    assert not is_active(run, access_token, "--audience", "billing")
    assert not is_active(run, access_token, "--require-scope", "write")


def test_introspect_can_demand_a_revision(run: Run) -> None:
    """A revision that the log has not reached is UNAVAILABLE; one that it has is served."""
    access_token = issue(run, "revision")["access_token"]
    assert is_active(run, access_token, "--min-revision", "1", "--max-staleness", "5s")
    assert "STORE_UNAVAILABLE" in run("token", "introspect", "x", "--min-revision", "999999", exit_code=78).stderr


def test_introspect_as_the_api_that_answers_for_the_audience(
    run: Run, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another caller sees the token, because it is meant for its audience."""
    access_token = issue(run, "for-api")["access_token"]
    call_as(server, "api", monkeypatch)
    assert is_active(run, access_token)


def test_revoke_of_a_refresh_token_ends_its_session(run: Run) -> None:
    """Both tokens are inactive, and the answer names the revision."""
    pair = issue(run, "logout")
    assert json_of(run("token", "revoke", pair["refresh_token"], "--reason", "logout", "--json"))["revision"] > 0
    assert not is_active(run, pair["access_token"])
    assert not is_active(run, pair["refresh_token"])


def test_revoke_of_a_session(run: Run) -> None:
    """A session is ended by its name."""
    pair = issue(run, "session")
    run("token", "revoke", "--session", pair["session_id"])
    assert not is_active(run, pair["access_token"])


def test_revoke_of_a_device_leaves_the_others(run: Run) -> None:
    """With --device only what lives on that device ends; with --subject alone everything does."""
    lost, kept = issue(run, "devices", "--device-id", "lost"), issue(run, "devices", "--device-id", "kept")
    run("token", "revoke", "--subject", "devices", "--device", "lost")
    assert not is_active(run, lost["access_token"])
    assert is_active(run, kept["access_token"])
    run("token", "revoke", "--subject", "devices")
    assert not is_active(run, kept["access_token"])


def test_revoke_of_a_client(run: Run) -> None:
    """Everything issued for the client ends."""
    pair = issue(run, "all-of-phone", "--for-client", "phone")
    run("token", "revoke", "--client", "phone")
    assert not is_active(run, pair["access_token"])


def test_revoke_can_spare_what_began_later(run: Run) -> None:
    """A session that began after --issued-before goes on."""
    pair = issue(run, "spared")
    run("token", "revoke", "--subject", "spared", "--issued-before", "2020-01-01T00:00:00+01:00")
    assert is_active(run, pair["access_token"])


@pytest.mark.parametrize(
    "target", [(), ("x", "--session", "y"), ("--subject", "x", "--client", "y"), ("x", "--device", "y")]
)
def test_revoke_needs_exactly_one_target(run: Run, target: tuple[str, ...]) -> None:
    """None, two, or a device without its subject is a usage error."""
    run("token", "revoke", *target, exit_code=2)


def test_a_wrong_secret_is_refused_and_not_shown(run: Run) -> None:
    """The failure repeats neither the secret nor what is near it."""
    result = run("token", "issue", "--subject", "x", "--client-secret", "tscs_wrong", exit_code=80)
    assert "CALLER_UNAUTHENTICATED" in result.stderr
    assert "tscs_" not in result.output


def test_a_secret_is_read_from_a_file(run: Run, server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """TOKENSVC_CLIENT_SECRET_FILE names a file with the secret."""
    Path("secret").write_text(server.secrets["bff"] + "\n")
    monkeypatch.delenv("TOKENSVC_CLIENT_SECRET")
    monkeypatch.setenv("TOKENSVC_CLIENT_SECRET_FILE", "secret")
    issue(run, "of-file")


def test_surplus_arguments_are_not_repeated(run: Run) -> None:
    """A second token on the command line is a usage error that does not show it."""
    result = run("token", "refresh", "tsr1_one", "tsr1_two", exit_code=2)
    assert "tsr1_" not in result.output


def test_exchange_trades_an_access_token(run: Run) -> None:
    """The new token is for the audience that was named, with fewer scopes and a shorter life, and says who acts."""
    token = issue(run, "trading")["access_token"]
    wish = ("--audience", "billing-api", "--scope", "read", "--access-ttl", "30s")
    answer = json_of(run("token", "exchange", token, *wish, "--json"))
    assert (answer["scopes"], answer["expires_in"], "refresh_token" in answer) == (["read"], 30, False)
    said = claims(run, answer["access_token"])
    assert (said["aud"], said["act"]) == (["billing-api"], {"sub": "bff", "client_id": "bff"})
    seen = json_of(run("token", "introspect", answer["access_token"], "--json"))
    assert (seen["subject"], seen["actor"]) == ("trading", {"sub": "bff", "client_id": "bff"})


def test_exchange_takes_an_actor_token(run: Run) -> None:
    """Whom it speaks for acts."""
    token, actor = issue(run, "trading")["access_token"], issue(run, "agent")["access_token"]
    answer = json_of(run("token", "exchange", "-", "--actor-token", actor, *TO_BILLING, "--json", stdin=token))
    assert claims(run, answer["access_token"])["act"] == {"sub": "agent", "client_id": "bff"}


def test_a_refused_exchange_says_why(run: Run) -> None:
    """The reason and the field, where one is at fault, and never the token."""
    token = issue(run, "trading")["access_token"]
    refused = run("token", "exchange", token, "--audience", "elsewhere", exit_code=67)
    assert "INVALID_AUDIENCE" in refused.stderr
    bad = run("token", "exchange", f"{token}x", *TO_BILLING, exit_code=80)
    assert "SUBJECT_TOKEN_INVALID" in bad.stderr
    assert token not in refused.stderr + bad.stderr
    run("token", "exchange", token, exit_code=2)
