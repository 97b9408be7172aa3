"""Rotation: under each policy, when the present token is answered with the next one and when with itself."""

from dataclasses import replace
from typing import Any

import pytest

from tests.domain.samples import NOW, WINDOW, a_session, an_attempt, decide, phone, refreshed, refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import DAY, HOUR, BindingPolicy, Rotation
from tokensvc.domain.session import ClientContext, Device, Session
from tokensvc.domain.traces import Place

HOME = ClientContext(ip="192.0.2.7", user_agent="App/3.1 (Android 15)")


def seen_at_home(generation: int = 5, **changes: Any) -> Session:
    """Ada's session, last used at home a day ago."""
    place = Place(an_attempt().token.handle, HOME)
    return replace(a_session(generation), last_seen=place.traces(BindingPolicy()), **changes)


def generation_after(rotation: Rotation, session: Session, *, interval: int = 0, **asking: Any) -> int:
    """The generation that a Refresh with the present token leads to."""
    attempt = an_attempt(session.generation, **{"context": HOME, **asking})
    return refreshed(decide(attempt, session, phone(rotation=rotation, rotation_interval=interval))).session.generation


@pytest.mark.parametrize("rotation", [Rotation.ALWAYS, Rotation.GRACEFUL])
def test_always_and_graceful_rotate_at_every_refresh(rotation: Rotation) -> None:
    """Even a moment after the last rotation."""
    assert generation_after(rotation, a_session(5, rotated_at=NOW - 1)) == 6


def test_always_has_no_retry_window() -> None:
    """The token before is reuse at once, whatever retry window the policy names."""
    client = phone(rotation=Rotation.ALWAYS, retry_window=WINDOW)
    rotated = refreshed(decide(an_attempt(5), a_session(5), client)).session
    assert refused(decide(an_attempt(5), rotated, client)).reason is Reason.REFRESH_TOKEN_REUSED


@pytest.mark.parametrize("rotation", [Rotation.GRACEFUL, Rotation.PERIODIC, Rotation.SELECTIVE])
def test_a_rotation_under_any_other_policy_can_be_retried(rotation: Rotation) -> None:
    """A lost response costs nobody a login: the token before is answered with the same successor."""
    client = phone(rotation=rotation, rotation_interval=1)
    rotated = refreshed(decide(an_attempt(5), a_session(5), client)).session
    assert rotated.generation == 6
    assert refreshed(decide(an_attempt(5, now=NOW + WINDOW - 1), rotated, client)).session == rotated


@pytest.mark.parametrize(("age", "generation"), [(HOUR - 1, 5), (HOUR, 6), (DAY, 6), (-HOUR, 5)])
def test_periodic_rotates_when_the_last_rotation_is_old_enough(age: int, generation: int) -> None:
    """The interval counts from the last rotation; a clock that was set back waits."""
    session = a_session(5, rotated_at=NOW - age)
    assert generation_after(Rotation.PERIODIC, session, interval=HOUR) == generation


def test_without_rotation_the_session_is_used_all_the_same() -> None:
    """Its idle lifetime begins anew, the rotation's moment and the retry window stay."""
    session = a_session(5, rotated_at=NOW - 1)
    used = refreshed(decide(an_attempt(5), session, phone(rotation=Rotation.PERIODIC, rotation_interval=HOUR))).session
    assert (used.used_at, used.rotated_at, used.retry_window) == (NOW, session.rotated_at, session.retry_window)


@pytest.mark.parametrize("rotation", list(Rotation))
def test_reuse_is_caught_under_every_policy(rotation: Rotation) -> None:
    """An old generation ends the family, whether or not the present one would be rotated."""
    client = phone(rotation=rotation, rotation_interval=HOUR)
    effects = decide(an_attempt(3), a_session(5, rotated_at=NOW - 1), client)
    assert refused(effects).reason is Reason.REFRESH_TOKEN_REUSED
    assert effects.session is not None
    assert effects.session.revoked_at == NOW


def test_selective_does_not_rotate_without_a_sign_of_risk() -> None:
    """The same device, the same network, the same app."""
    assert generation_after(Rotation.SELECTIVE, seen_at_home()) == 5


@pytest.mark.parametrize(
    "asking",
    [
        pytest.param({"device_id": "device-2"}, id="another device"),
        pytest.param({"context": replace(HOME, ip="198.51.100.7")}, id="another network"),
        pytest.param({"context": replace(HOME, ip="2001:db8::7")}, id="another kind of network"),
        pytest.param({"context": replace(HOME, user_agent="Browser/1")}, id="another user agent"),
        pytest.param({"flags": {"ada": NOW + 1}}, id="a subject at risk"),
    ],
)
def test_selective_rotates_on_a_sign_of_risk(asking: dict[str, Any]) -> None:
    """Each of them alone is enough."""
    assert generation_after(Rotation.SELECTIVE, seen_at_home(), **asking) == 6


@pytest.mark.parametrize(
    "asking",
    [
        pytest.param({"device_id": ""}, id="no device given"),
        pytest.param({"device_id": "device-1"}, id="the same device"),
        pytest.param({"context": ClientContext()}, id="no context given"),
        pytest.param({"context": replace(HOME, ip="192.0.2.200")}, id="an address of the same network"),
        pytest.param({"context": replace(HOME, ip="::ffff:192.0.2.7")}, id="the same address in other words"),
        pytest.param({"context": replace(HOME, user_agent="App/3.2.1 (Android 16)")}, id="an update"),
        pytest.param({"flags": {"ada": NOW, "bob": NOW + 1}}, id="a mark that has ended, and another's"),
    ],
)
def test_selective_takes_what_is_usual_for_no_risk(asking: dict[str, Any]) -> None:
    """What a phone does all day does not rotate."""
    assert generation_after(Rotation.SELECTIVE, seen_at_home(), **asking) == 5


def test_a_device_that_the_login_did_not_name_is_no_risk() -> None:
    """There is nothing that it could differ from."""
    session = seen_at_home()
    unnamed = replace(session, grant=replace(session.grant, device=Device()))
    assert generation_after(Rotation.SELECTIVE, unnamed, device_id="device-2") == 5


def test_selective_compares_with_the_last_place_and_not_with_the_login() -> None:
    """Who has moved rotates once; at the new place the token stays."""
    away = replace(HOME, ip="198.51.100.7")
    client = phone(rotation=Rotation.SELECTIVE)
    moved = refreshed(decide(an_attempt(5, context=away), seen_at_home(), client)).session
    assert moved.generation == 6
    assert refreshed(decide(an_attempt(6, context=away), moved, client)).session.generation == 6


@pytest.mark.parametrize(("since", "generation"), [(2 * DAY - 1, 5), (2 * DAY, 6)])
def test_selective_rotates_when_the_login_is_long_ago(since: int, generation: int) -> None:
    """With a rotation_interval, from that time since the login on; the login is auth_time where that was given."""
    session = seen_at_home()
    session = replace(session, grant=replace(session.grant, auth_time=NOW - since))
    assert generation_after(Rotation.SELECTIVE, session, interval=2 * DAY) == generation


@pytest.mark.parametrize(("interval", "generation"), [(DAY + 1, 5), (DAY, 6)])
def test_a_login_is_never_later_than_issue(interval: int, generation: int) -> None:
    """An auth_time that lies ahead, by a clock that is wrong or on purpose, does not put the interval off."""
    session = seen_at_home()
    session = replace(session, grant=replace(session.grant, auth_time=NOW + 3650 * DAY))
    assert generation_after(Rotation.SELECTIVE, session, interval=interval) == generation


def test_selective_forgets_neither_network_nor_app() -> None:
    """A refresh that names only one of them leaves the other known: from another one the next refresh rotates."""
    client = phone(rotation=Rotation.SELECTIVE)
    for given, left in (("user_agent", {"ip": "198.51.100.7"}), ("ip", {"user_agent": "Browser/1"})):
        half = ClientContext(**{given: getattr(HOME, given)})
        kept = refreshed(decide(an_attempt(5, context=half), seen_at_home(), client)).session
        assert kept.generation == 5
        assert kept.last_seen == seen_at_home().last_seen
        moved = an_attempt(5, context=replace(HOME, **left))
        assert refreshed(decide(moved, kept, client)).session.generation == 6


def test_never_does_not_spare_a_session_without_a_key() -> None:
    """Where a stolen token could be used by anybody it rotates, even if such a policy has found its way to a client."""
    assert generation_after(Rotation.NEVER, seen_at_home()) == 6


def test_a_change_of_the_policy_revives_nothing() -> None:
    """What was consumed without a retry window stays consumed under a policy that has one, or does not rotate."""
    rotated = refreshed(decide(an_attempt(5), a_session(5), phone(rotation=Rotation.ALWAYS))).session
    for rotation in (Rotation.GRACEFUL, Rotation.PERIODIC, Rotation.SELECTIVE, Rotation.NEVER):
        outcome = refused(decide(an_attempt(5), rotated, phone(rotation=rotation)))
        assert outcome.reason is Reason.REFRESH_TOKEN_REUSED


def test_a_retry_from_elsewhere_is_noted() -> None:
    """Networks change, so it is answered; but one token at two places within moments is what a theft looks like."""
    client = phone()
    rotated = refreshed(decide(an_attempt(5, context=HOME), seen_at_home(), client)).session
    same = decide(an_attempt(5, context=HOME), rotated, client)
    elsewhere = decide(an_attempt(5, context=replace(HOME, ip="198.51.100.7")), rotated, client)
    assert [event.type for event in same.audit] == ["session.refresh_retried"]
    assert [event.type for event in elsewhere.audit] == ["session.refresh_retried", "suspicion.parallel_refresh"]
    assert refreshed(elsewhere).session == rotated


@pytest.mark.parametrize(("elapsed", "is_noted"), [(0, True), (WINDOW - 1, True), (-1, True), (WINDOW, False)])
def test_a_kept_token_at_two_places_is_noted(elapsed: int, *, is_noted: bool) -> None:
    """Where a token stays for long, by the same rule: from elsewhere, within the retry window since its last use."""
    client = phone(rotation=Rotation.PERIODIC, rotation_interval=DAY)
    session = replace(seen_at_home(), rotated_at=NOW - HOUR, used_at=NOW - elapsed)
    at_home = decide(an_attempt(5, context=HOME), session, client)
    elsewhere = decide(an_attempt(5, context=replace(HOME, ip="198.51.100.7")), session, client)
    assert [event.type for event in at_home.audit] == ["session.refreshed"]
    noted = ["suspicion.parallel_refresh"] if is_noted else []
    assert [event.type for event in elsewhere.audit] == ["session.refreshed", *noted]
    assert refreshed(elsewhere).session.generation == 5
