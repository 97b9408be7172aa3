"""How much a Refresh gives: what was asked for, within the session's grant, within the client's policy of today."""

import pytest

from tests.domain.samples import a_session, an_attempt, decide, phone, refreshed, refused
from tokensvc.domain.errors import Reason


def test_everything_granted_is_given_when_nothing_is_named() -> None:
    """A Refresh that names neither scopes nor audiences gives those of the grant."""
    given = refreshed(decide(an_attempt(), a_session()))
    assert (given.scopes, given.audiences) == (("read", "write"), ("api", "billing"))


def test_fewer_scopes_and_audiences_are_given_when_asked_for() -> None:
    """A Refresh may narrow this access token."""
    given = refreshed(decide(an_attempt(scopes=("write",), audiences=("billing",)), a_session()))
    assert (given.scopes, given.audiences) == (("write",), ("billing",))


def test_narrowing_is_for_this_access_token_alone() -> None:
    """The session keeps its full grant when an access token gets less (RFC 6749, 6)."""
    narrowed = refreshed(decide(an_attempt(0, scopes=("write",), audiences=("api",)), a_session(0))).session
    assert refreshed(decide(an_attempt(1), narrowed)).scopes == ("read", "write")


@pytest.mark.parametrize("scopes", [("admin",), ("read", "admin"), ("READ",), ("read ",)])
def test_a_wider_scope_is_refused(scopes: tuple[str, ...]) -> None:
    """A scope outside the grant is refused, in company or alone."""
    assert refused(decide(an_attempt(scopes=scopes), a_session())).reason is Reason.INVALID_SCOPE


def test_the_policy_alone_does_not_widen_a_session() -> None:
    """A scope that the policy has gained since is not within an older grant."""
    client = phone(scopes=("read", "write", "admin"), audiences=("api", "billing", "payroll"))
    assert refreshed(decide(an_attempt(), a_session(), client)).scopes == ("read", "write")
    assert refused(decide(an_attempt(scopes=("admin",)), a_session(), client)).reason is Reason.INVALID_SCOPE
    assert refused(decide(an_attempt(audiences=("payroll",)), a_session(), client)).reason is Reason.INVALID_AUDIENCE


def test_what_the_policy_lost_is_not_given_again() -> None:
    """A scope and an audience that were taken from the policy are left out, though the grant has them."""
    given = refreshed(decide(an_attempt(), a_session(), phone(scopes=("read",), audiences=("billing",))))
    assert (given.scopes, given.audiences) == (("read",), ("billing",))


def test_what_the_policy_lost_is_refused_by_name() -> None:
    """To ask for what was taken from the policy is to ask for too much."""
    assert (
        refused(decide(an_attempt(scopes=("write",)), a_session(), phone(scopes=("read",)))).reason == "INVALID_SCOPE"
    )


def test_a_session_may_be_left_without_scopes() -> None:
    """A policy that lost every scope leaves an access token that may do nothing, which is still one."""
    assert refreshed(decide(an_attempt(), a_session(), phone(scopes=()))).scopes == ()


def test_a_session_left_without_audience_is_refused() -> None:
    """A token for nobody is not issued: with every audience gone from the policy Refresh is refused."""
    effects = decide(an_attempt(), a_session(), phone(audiences=()))
    assert refused(effects).reason is Reason.INVALID_AUDIENCE
    assert effects.session is None


def test_a_retry_is_judged_by_its_own_wish() -> None:
    """A retry may name other scopes than the first attempt; the successor is the same all the same."""
    session = refreshed(decide(an_attempt(0, scopes=("read",)), a_session(0))).session
    retried = refreshed(decide(an_attempt(0, scopes=("write",)), session))
    assert (retried.session.generation, retried.scopes) == (1, ("write",))
