"""Binding: what happens when a refresh comes from another device, network or app than the login."""

from dataclasses import replace
from typing import Any

import pytest

from tests.domain.samples import NOW, a_session, an_attempt, decide, phone, refreshed, refused
from tokensvc.domain.client import Client
from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import BindingAction, BindingPolicy
from tokensvc.domain.refresh import BINDING
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.domain.refresh_token import bound_digest
from tokensvc.domain.session import ClientContext, Device, Session, Traces
from tokensvc.domain.traces import Place

HOME = ClientContext(ip="192.0.2.7", user_agent="App/3.1 (Android 15)")
HANDLE = an_attempt().token.handle

ELSEWHERE: dict[str, dict[str, Any]] = {
    "device": {"device_id": "device-2"},
    "ip": {"context": replace(HOME, ip="198.51.100.7")},
    "user_agent": {"context": replace(HOME, user_agent="Browser/1")},
    "credential_version": {"credential_version": "v2"},
}
UNKNOWN: dict[str, dict[str, Any]] = {
    "device": {"device_id": ""},
    "ip": {"context": replace(HOME, ip="")},
    "user_agent": {"context": replace(HOME, user_agent="")},
}

bound_values = pytest.mark.parametrize("name", list(ELSEWHERE))


def session(generation: int = 5) -> Session:
    """Ada's session, begun at home with the credentials v1."""
    return a_session(
        generation,
        login=Place(HANDLE, HOME).traces(BindingPolicy()),
        credential_digest=bound_digest(HANDLE, "credential_version", "v1"),
    )


def attempt(generation: int = 5, **asking: Any) -> RefreshAttempt:
    """A Refresh from home, with `asking` instead."""
    return an_attempt(generation, **{"context": HOME, "credential_version": "v1", **asking})


def bound(**actions: BindingAction) -> Client:
    """The client `phone` that binds as said, and else nothing."""
    return phone(binding=BindingPolicy(**{"credential_version": BindingAction.IGNORE, **actions}))


@bound_values
@pytest.mark.parametrize("action", list(BindingAction))
def test_at_home_every_refresh_passes(name: str, action: BindingAction) -> None:
    """Nothing differs, so no action is taken."""
    effects = decide(attempt(), session(), bound(**{name: action}))
    assert refreshed(effects).session.generation == 6
    assert [event.type for event in effects.audit] == ["session.refreshed"]


@bound_values
def test_ignore_lets_pass(name: str) -> None:
    """A value that differs leaves no trace in the audit trail."""
    effects = decide(attempt(**ELSEWHERE[name]), session(), bound())
    assert refreshed(effects).session.generation == 6
    assert [event.type for event in effects.audit] == ["session.refreshed"]


@bound_values
def test_audit_lets_pass_and_says_so(name: str) -> None:
    """The event names what differs, and not by how much."""
    effects = decide(attempt(**ELSEWHERE[name]), session(), bound(**{name: BindingAction.AUDIT}))
    assert refreshed(effects).session.generation == 6
    assert [event.type for event in effects.audit] == ["session.refreshed", "session.binding_differed"]
    assert effects.audit[1].details["differs"] == name


@bound_values
def test_reject_refuses_and_changes_nothing(name: str) -> None:
    """The session goes on living where it is bound to."""
    effects = decide(attempt(**ELSEWHERE[name]), session(), bound(**{name: BindingAction.REJECT}))
    expected = Reason.CREDENTIAL_CHANGED if name == "credential_version" else Reason.BINDING_MISMATCH
    assert (refused(effects).reason, refused(effects).differs) == (expected, name)
    assert (effects.session, effects.log, effects.audit) == (None, (), ())


@bound_values
def test_end_session_ends_it_for_everybody(name: str) -> None:
    """The refresh fails, the session is revoked with its access tokens, and the event names what differed."""
    effects = decide(attempt(**ELSEWHERE[name]), session(), bound(**{name: BindingAction.END_SESSION}))
    assert refused(effects).reason in (Reason.CREDENTIAL_CHANGED, Reason.BINDING_MISMATCH)
    assert effects.session is not None
    assert (effects.session.revoked_at, effects.session.revoke_reason) == (NOW, BINDING)
    assert [entry.key for entry in effects.log] == [effects.session.grant.session_id]
    assert [(event.type, event.details["differs"]) for event in effects.audit] == [("session.binding_ended", name)]


@pytest.mark.parametrize("name", list(UNKNOWN))
def test_a_bound_value_that_is_not_given_differs(name: str) -> None:
    """A thief must not pass by keeping silent."""
    effects = decide(attempt(**UNKNOWN[name]), session(), bound(**{name: BindingAction.REJECT}))
    assert refused(effects).reason is Reason.BINDING_MISMATCH


def test_credentials_that_are_not_given_are_not_compared() -> None:
    """Not every caller knows them."""
    effects = decide(attempt(credential_version=""), session(), bound(credential_version=BindingAction.END_SESSION))
    assert refreshed(effects).session.generation == 6


@pytest.mark.parametrize("asking", [{}, {"device_id": "", "context": ClientContext(), "credential_version": ""}])
@bound_values
def test_what_the_login_did_not_say_binds_nothing(name: str, asking: dict[str, Any]) -> None:
    """A session that began without a value goes on when its client is bound to it, named or not."""
    began = replace(session().grant, login=Traces(), device=Device(), credential_digest="")
    unbound = replace(session(), grant=began)
    effects = decide(attempt(**asking), unbound, bound(**{name: BindingAction.END_SESSION}))
    assert refreshed(effects).session.generation == 6


def test_the_strictest_action_of_all_that_differs_is_taken() -> None:
    """What is only to be noted does not soften what is to be refused."""
    everything = {**ELSEWHERE["device"], "context": ClientContext("198.51.100.7", "Browser/1")}
    client = bound(device=BindingAction.AUDIT, ip=BindingAction.REJECT, user_agent=BindingAction.IGNORE)
    assert refused(decide(attempt(**everything), session(), client)).reason is Reason.BINDING_MISMATCH


def test_the_event_names_everything_that_differs() -> None:
    """What is only to be noted is noted where something stricter ends the session, and what is ignored is not."""
    everything = {"device_id": "device-2", "context": ClientContext("198.51.100.7", "Browser/1")}
    client = bound(device=BindingAction.AUDIT, ip=BindingAction.END_SESSION, user_agent=BindingAction.IGNORE)
    (event,) = decide(attempt(**everything), session(), client).audit
    assert (event.type, event.details["differs"]) == ("session.binding_ended", "device ip")
    rejecting = bound(device=BindingAction.AUDIT, ip=BindingAction.REJECT, user_agent=BindingAction.IGNORE)
    assert refused(decide(attempt(**everything), session(), rejecting)).differs == "device ip"


def test_credentials_are_named_only_where_they_decide() -> None:
    """What is noted beside them does not change the reason; what is refused beside them does."""
    asking = {**ELSEWHERE["credential_version"], **ELSEWHERE["ip"]}
    for action, reason in ((BindingAction.AUDIT, "CREDENTIAL_CHANGED"), (BindingAction.REJECT, "BINDING_MISMATCH")):
        client = bound(credential_version=BindingAction.REJECT, ip=action)
        assert refused(decide(attempt(**asking), session(), client)).reason == reason


def test_binding_is_judged_before_the_generation() -> None:
    """Who presents an old token from elsewhere is refused for that, and does not end the family."""
    effects = decide(attempt(3, **ELSEWHERE["ip"]), session(), bound(ip=BindingAction.REJECT))
    assert refused(effects).reason is Reason.BINDING_MISMATCH
    assert effects.session is None


@pytest.mark.parametrize(
    ("policy", "ip", "same"),
    [
        (BindingPolicy(), "192.0.2.255", True),
        (BindingPolicy(), "192.0.3.7", False),
        (BindingPolicy(ipv4_prefix_length=16), "192.0.255.1", True),
        (BindingPolicy(ipv4_prefix_length=32), "192.0.2.8", False),
        (BindingPolicy(), "::ffff:192.0.2.9", True),
        (BindingPolicy(), "2001:db8::", False),
    ],
)
def test_of_an_address_the_prefix_counts(policy: BindingPolicy, ip: str, *, same: bool) -> None:
    """As many bits as the policy said at the login."""
    login = Place(HANDLE, ClientContext(ip="192.0.2.7")).traces(policy)
    assert Place(HANDLE, ClientContext(ip=ip)).is_ip_of(login) is same


@pytest.mark.parametrize(("ip", "same"), [("2001:db8:1:ffff::1", True), ("2001:db8:2::1", False), ("192.0.2.7", False)])
def test_of_a_long_address_its_own_prefix_counts(ip: str, *, same: bool) -> None:
    """48 bits unless the policy says otherwise."""
    login = Place(HANDLE, ClientContext(ip="2001:db8:1::7")).traces(BindingPolicy())
    assert Place(HANDLE, ClientContext(ip=ip)).is_ip_of(login) is same


def test_a_changed_prefix_length_does_not_lock_anybody_out() -> None:
    """Sessions are compared by the length that they began with."""
    login = replace(session().grant, login=Place(HANDLE, HOME).traces(BindingPolicy(ipv4_prefix_length=16)))
    client = phone(binding=BindingPolicy(ip=BindingAction.REJECT, ipv4_prefix_length=32))
    effects = decide(attempt(context=replace(HOME, ip="192.0.99.1")), replace(session(), grant=login), client)
    assert refreshed(effects).session.generation == 6


def test_traces_say_nothing_to_who_has_not_the_handle() -> None:
    """The same place leaves other traces in another session, and none of them holds the value."""
    one, other = (Place(handle, HOME).traces(BindingPolicy()) for handle in (HANDLE, bytes(16)))
    assert one.ip != other.ip
    assert one.user_agent != other.user_agent
    assert "192" not in one.ip
