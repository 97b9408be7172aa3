"""The life of a token, over both clients."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tokensvc_client import (
    ClientContext,
    ClientMismatchError,
    Device,
    DeviceTarget,
    InvalidRequestError,
    InvalidScopeError,
    RefreshTokenError,
    RefreshTokenInvalidError,
    RefreshTokenReusedError,
    RefreshTokenRevokedError,
    TokenUse,
)


def test_issued_tokens_are_active(bff: Any, subject: str) -> None:
    """What Issue answers can be introspected, and says what was asked for."""
    issued = bff.issue(
        subject=subject, scopes=["read"], audiences=["api"], claims={"tenant": "t1", "tier": 3, "x": [1.5]}
    )
    said = bff.introspect(issued.access_token)
    assert said
    assert (said.subject, said.scopes, said.audiences, said.session_id) == (
        subject,
        ("read",),
        ("api",),
        issued.session_id,
    )
    assert said.claims == {"tenant": "t1", "tier": 3, "x": [1.5]}
    assert said.token_use is TokenUse.ACCESS
    assert (issued.token_type, issued.expires_in) == ("Bearer", timedelta(minutes=5))


def test_times_are_aware_and_in_utc(bff: Any, subject: str) -> None:
    """A moment that goes in comes out, in UTC."""
    logged_in = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    issued = bff.issue(subject=subject, auth_time=logged_in, access_ttl=timedelta(seconds=90))
    said = bff.introspect(issued.access_token)
    assert said.auth_time == logged_in
    assert said.expires_at.tzinfo is UTC
    assert timedelta(seconds=88) <= said.expires_at - datetime.now(UTC) <= timedelta(seconds=91)


def test_a_refresh_answers_the_next_tokens(bff: Any, subject: str) -> None:
    """The session stays, both tokens are new."""
    issued = bff.issue(subject=subject)
    next_tokens = bff.refresh(issued.refresh_token, scopes=["read"])
    assert next_tokens.session_id == issued.session_id
    assert next_tokens.refresh_token not in {"", issued.refresh_token}
    assert next_tokens.scopes == ("read",)


def test_a_repeated_issue_with_a_key_is_the_same_session(bff: Any, subject: str) -> None:
    """The idempotency key is sent."""
    first, second = (bff.issue(subject=subject, idempotency_key=f"a-key-of-{subject}-0001") for _ in range(2))
    assert first.session_id == second.session_id


def test_access_only_has_no_session(bff: Any, subject: str) -> None:
    """Where no session is wanted, nothing is said of one."""
    issued = bff.issue(subject=subject, access_only=True)
    assert (issued.refresh_token, issued.session_id, issued.refresh_expires_in) == ("", "", timedelta(0))


@pytest.mark.parametrize("target", ["token", "session_id", "subject", "device", "client_id"])
def test_every_target_can_be_revoked(bff: Any, subject: str, target: str) -> None:
    """What was issued for it is not active any more, and can not be refreshed."""
    issued = bff.issue(subject=subject, device=Device("phone-1", "Ada's phone", "ios"))
    targets = {
        "token": issued.refresh_token,
        "session_id": issued.session_id,
        "subject": subject,
        "device": DeviceTarget(subject, "phone-1"),
        "client_id": bff.introspect(issued.access_token).client_id,
    }
    change = bff.revoke(**{target: targets[target]}, reason="logout")
    assert not bff.introspect(issued.access_token, min_revision=change.revision)
    with pytest.raises(RefreshTokenRevokedError):
        bff.refresh(issued.refresh_token)


@pytest.mark.parametrize("targets", [{}, {"subject": "ada", "client_id": "bff"}])
def test_a_revoke_needs_one_target(bff: Any, targets: dict[str, str]) -> None:
    """None, or two, are the program's mistake, and nothing is sent."""
    with pytest.raises(ValueError, match="exactly one"):
        bff.revoke(**targets)


def test_a_token_that_is_not_active_says_nothing(bff: Any) -> None:
    """It is false, and without any value."""
    said = bff.introspect("nonsense")
    assert not said
    assert (said.subject, said.expires_at, said.claims, said.revision) == ("", None, {}, 0)


def test_a_token_is_active_for_what_is_required_alone(bff: Any, subject: str) -> None:
    """Scopes and audience are asked for."""
    token = bff.issue(subject=subject, scopes=["read"], audiences=["api"]).access_token
    assert bff.introspect(token, required_scopes=["read"], audience="api")
    assert not bff.introspect(token, required_scopes=["write"])
    assert not bff.introspect(token, audience="billing")


def test_a_batch_answers_in_order(bff: Any, subject: str) -> None:
    """One answer for each token, and one revision for all."""
    issued = bff.issue(subject=subject)
    batch = bff.batch_introspect([issued.access_token, "nonsense", issued.refresh_token])
    assert [said.active for said in batch.results] == [True, False, True]
    assert batch.revision >= issued.revision


def test_a_reused_refresh_token_has_an_exception_of_its_own(bff: Any, subject: str) -> None:
    """A theft can be told from an end of the session, and both are RefreshTokenError."""
    first = bff.issue(subject=subject).refresh_token
    second = bff.refresh(first).refresh_token
    bff.refresh(second)
    with pytest.raises(RefreshTokenReusedError) as caught:
        bff.refresh(first)
    assert isinstance(caught.value, RefreshTokenError)
    assert (caught.value.reason, caught.value.code.name) == ("REFRESH_TOKEN_REUSED", "UNAUTHENTICATED")
    assert not caught.value.is_retryable


def test_refusals_name_reason_and_field(bff: Any, subject: str) -> None:
    """What is wrong with a request is said in a way that programs can read."""
    with pytest.raises(InvalidRequestError) as caught:
        bff.issue(subject="")
    assert (caught.value.field, caught.value.fields) == ("subject", ("subject",))
    with pytest.raises(InvalidScopeError):
        bff.issue(subject=subject, scopes=["admin"])
    with pytest.raises(RefreshTokenInvalidError):
        bff.refresh("nonsense")
    with pytest.raises(ClientMismatchError):
        bff.refresh(bff.issue(subject=subject).refresh_token, client_id="another")


def test_revocations_are_watched(bff: Any, subject: str) -> None:
    """From a snapshot, and on from any revision; what is revoked meanwhile is among it."""
    with bff.watch_revocations() as steps:
        known = next(step for step in steps if step.looked_at is not None)
    change = bff.revoke(subject=subject, reason="gone")
    with bff.watch_revocations(from_revision=known.revision) as steps:
        revoked = next(one for step in steps for one in step.revocations if one.subject == subject)
    assert (revoked.reason, revoked.revision) == ("gone", change.revision)


def test_the_context_of_a_refresh_is_sent(bff: Any, subject: str) -> None:
    """Where the request came from is kept with the session."""
    issued = bff.issue(subject=subject, context=ClientContext("192.0.2.1", "app/1", "Lyon, FR"))
    bff.refresh(issued.refresh_token, context=ClientContext(location="Paris, FR"))
    session = bff.get_session(issued.session_id)
    assert (session.context.location, session.last_context.location) == ("Lyon, FR", "Paris, FR")
