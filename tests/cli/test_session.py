"""`tokensvc session`, against a real server."""

import pytest

from tests.cli.conftest import Run, json_of

pytestmark = pytest.mark.usefixtures("as_bff")


def issue(run: Run, subject: str, *more: str) -> str:
    """Start a session; answer its id."""
    return str(json_of(run("token", "issue", "--subject", subject, "--json", *more))["session_id"])


def listed(run: Run, *filters: str) -> list[str]:
    """The ids of the listed sessions."""
    return [one["session_id"] for one in json_of(run("session", "list", "--json", *filters))["sessions"]]


def test_list_filters_by_subject_client_and_device(run: Run) -> None:
    """Each filter leaves out what it does not name."""
    own = issue(run, "filtered", "--device-id", "a")
    phone = issue(run, "filtered", "--for-client", "phone", "--device-id", "b")
    assert set(listed(run, "--subject", "filtered")) == {own, phone}
    assert listed(run, "--subject", "filtered", "--client", "phone") == [phone]
    assert listed(run, "--subject", "filtered", "--device", "a") == [own]


def test_list_shows_ended_sessions_when_asked(run: Run) -> None:
    """A revoked session is listed with --include-ended alone."""
    ended = issue(run, "ended")
    run("token", "revoke", "--session", ended)
    assert listed(run, "--subject", "ended") == []
    assert listed(run, "--subject", "ended", "--include-ended") == [ended]


def test_list_answers_pages(run: Run) -> None:
    """The token of the next page leads on to the rest."""
    both = {issue(run, "pages"), issue(run, "pages")}
    first = json_of(run("session", "list", "--subject", "pages", "--page-size", "1", "--json"))
    rest = listed(run, "--subject", "pages", "--page-token", first["next_page_token"])
    assert {first["sessions"][0]["session_id"], *rest} == both
    assert len(rest) == 1


def test_list_is_a_table_for_people_and_names_the_next_page(run: Run) -> None:
    """A heading, a line for each session, and how to go on."""
    session_id = issue(run, "table", "--device-id", "phone-1")
    heading, row, more = run("session", "list", "--subject", "table", "--page-size", "1").stdout.splitlines()
    assert heading.split()[:4] == ["session_id", "subject", "client_id", "device.id"]
    assert row.split()[:5] == [session_id, "table", "bff", "phone-1", "ACTIVE"]
    assert more.startswith("next_page_token: ")


def test_show_shows_one_session(run: Run) -> None:
    """A session is shown with its device, its count of rotations and its moments."""
    session_id = issue(run, "one", "--device-id", "phone-1", "--device-name", "Ada's phone", "--device-platform", "ios")
    shown = json_of(run("session", "show", session_id, "--json"))
    assert shown["device"] == {"id": "phone-1", "name": "Ada's phone", "platform": "ios"}
    assert shown["generation"] == 0
    assert shown["state"] == "ACTIVE"


@pytest.mark.parametrize("session_id", ["unknown", "-begins-with-a-dash", "--with-two"])
def test_an_unknown_session_is_not_found(run: Run, session_id: str) -> None:
    """An id is an id even where it looks like an option: one of 64 begins with a dash."""
    assert "SESSION_NOT_FOUND" in run("session", "show", session_id, exit_code=69).stderr


def test_list_without_a_filter_is_refused_by_the_server(run: Run) -> None:
    """A subject or a client is required."""
    assert "field:" in run("session", "list", exit_code=67).stderr


def test_a_mark_that_ends_too_far_away_is_wrong_usage(run: Run) -> None:
    """There is no such moment."""
    assert "--for" in run("session", "flag", "ada", "--for", "999999999d", exit_code=2).stderr
