"""What an Issue leads to: a new session, or the same one again for the same idempotency key."""

from dataclasses import replace
from typing import Any

import pytest

from tests.domain.samples import BFF, GRANT, NOW, a_session, phone, refused
from tokensvc.domain.effects import AuditEvent, Effects, Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.issue import Issued, Wishes, decide_issue, lifetime
from tokensvc.domain.policy import DAY, SECOND, TokenPolicy
from tokensvc.domain.session import Device, Grant, Session, Traces

POLICY = phone(refresh_absolute_ttl=GRANT.expires_at - GRANT.started_at).policy
# The same request again, a day after the session began; what depends on the moment differs.
REPEATED = replace(
    GRANT,
    started_at=NOW,
    started_revision=99,
    expires_at=NOW + (GRANT.expires_at - GRANT.started_at),
    login=Traces("24.elsewhere", "another app"),
    location="Oslo",
)


def decide(
    grant: Grant,
    existing: Session | None,
    *,
    barred: bool = False,
    policy: TokenPolicy = POLICY,
    ip: str = "",
    **wishes: Any,
) -> Effects[Issued | Refused]:
    """The decision on an Issue by `bff` that names `wishes`."""
    return decide_issue(grant, Wishes(**wishes), policy, BFF, existing, barred=barred, ip=ip)


def test_a_first_issue_begins_a_session() -> None:
    """A new session starts at generation zero, used and rotated at the moment of its grant."""
    effects = decide(GRANT, None, barred=False)
    session = Session(GRANT, 0, rotated_at=GRANT.started_at, used_at=GRANT.started_at)
    assert effects.outcome == Issued(GRANT, session)
    assert effects.session == session


def test_a_first_issue_is_audited() -> None:
    """The audit trail names caller, client, subject, session, address and scope."""
    assert decide(GRANT, None, barred=False, ip="192.0.2.7").audit == (
        AuditEvent(
            "session.issued",
            at=GRANT.started_at,
            caller="bff",
            client_id="phone",
            subject="ada",
            session_id=GRANT.session_id,
            ip="192.0.2.7",
            details={"scope": "read write"},
        ),
    )


def test_a_repeated_issue_answers_the_same_session() -> None:
    """The same request under the same idempotency key gets the session of the first, and nothing is written to it."""
    effects = decide(REPEATED, a_session(), barred=False)
    assert effects.outcome == Issued(GRANT, a_session())
    assert (effects.session, effects.log) == (None, ())


def test_a_repeated_issue_is_audited_as_one() -> None:
    """The audit trail tells a repeated Issue from a first one."""
    (event,) = decide(REPEATED, a_session(), barred=False).audit
    assert (event.type, event.session_id) == ("session.issue_retried", GRANT.session_id)


@pytest.mark.parametrize(
    "difference",
    [
        {"subject": "eve"},
        {"client_id": "web"},
        {"device": Device("device-2", "Ada's phone", "android")},
        {"auth_time": NOW},
        {"acr": "urn:high"},
        {"amr": ("pwd",)},
        {"claims": '{"tenant":"b"}'},
        {"credential_digest": "another"},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_another_request_under_the_same_key_is_refused(difference: dict[str, Any]) -> None:
    """An idempotency key that was used for something else is refused, naming the field, and writes nothing."""
    effects = decide(replace(REPEATED, **difference), a_session(), barred=False)
    refusal = refused(effects)
    assert (refusal.reason, refusal.field) == (Reason.INVALID_REQUEST, "idempotency_key")
    assert effects == Effects(refusal)


@pytest.mark.parametrize(
    "wishes",
    [
        {"scopes": ("read",)},
        {"audiences": ("api",)},
        {"access_ttl": GRANT.access_ttl - 1},
        {"refresh_ttl": GRANT.expires_at - GRANT.started_at - 1},
    ],
    ids=lambda wishes: next(iter(wishes)),
)
def test_a_request_for_less_under_the_same_key_is_refused(wishes: dict[str, Any]) -> None:
    """What is named and the first session has more of makes it another request."""
    named = {name: value for name, value in wishes.items() if name in ("scopes", "audiences")}
    assert refused(decide(replace(REPEATED, **named), a_session(), **wishes)).field == "idempotency_key"


@pytest.mark.parametrize(
    "policy",
    [
        {"scopes": ("read", "write", "more")},
        {"audiences": ("api", "billing", "more")},
        {"access_ttl": 2 * GRANT.access_ttl},
        {"idle_ttl": 2 * GRANT.idle_ttl},
        {"expires_at": REPEATED.expires_at + DAY},
    ],
    ids=lambda policy: next(iter(policy)),
)
def test_a_policy_that_has_changed_is_no_other_request(policy: dict[str, Any]) -> None:
    """What the request leaves to the policy may come out otherwise the second time: the first session is answered."""
    assert decide(replace(REPEATED, **policy), a_session()).outcome == Issued(GRANT, a_session())


def test_a_span_that_the_policy_has_cut_is_no_other_request() -> None:
    """A wish beyond the policy agrees with what was given of it, also when the policy gives more by now."""
    again = replace(REPEATED, access_ttl=2 * GRANT.access_ttl)
    assert decide(again, a_session(), access_ttl=DAY).outcome == Issued(GRANT, a_session())


def test_a_repeated_issue_gives_no_longer_an_access_token_than_the_policy_of_now() -> None:
    """A lifetime that was shortened holds for the second access token; the session is kept as it is."""
    policy = replace(POLICY, access_ttl=SECOND)
    outcome = decide(replace(REPEATED, access_ttl=SECOND), a_session(), policy=policy).outcome
    assert outcome == Issued(replace(GRANT, access_ttl=SECOND), a_session())


@pytest.mark.parametrize("less", [{"scopes": ("read",)}, {"audiences": ("api",)}], ids=str)
def test_what_the_policy_has_taken_back_is_not_handed_out_again(less: dict[str, Any]) -> None:
    """The first session has a scope or an audience that a login would not be given now."""
    effects = decide(replace(REPEATED, **less), a_session())
    assert effects == Effects(refused(effects))
    assert refused(effects).field == "idempotency_key"


@pytest.mark.parametrize(
    "existing",
    [
        pytest.param(replace(a_session(), generation=1), id="refreshed"),
        pytest.param(replace(a_session(), revoked_at=NOW - 1), id="revoked"),
        pytest.param(replace(a_session(), used_at=NOW - GRANT.idle_ttl), id="idle"),
        pytest.param(a_session(expires_at=NOW), id="over"),
    ],
)
def test_a_session_that_moved_on_is_not_handed_out_again(existing: Session) -> None:
    """Once refreshed, revoked or expired, the first answer is history: its tokens are not made again."""
    effects = decide(REPEATED, existing, barred=False)
    assert effects == Effects(refused(effects))
    assert refused(effects).field == "idempotency_key"


def test_a_barred_session_is_not_handed_out_again() -> None:
    """A barrier raised since the first answer ends what a repeated Issue would give."""
    assert refused(decide(REPEATED, a_session(), barred=True)).reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize(("wanted", "given"), [(None, 100), (1, 1), (100, 100), (101, 100), (10**18, 100)])
def test_a_lifetime_is_at_most_the_policys(wanted: int | None, given: int) -> None:
    """The policy's span is both the default and the limit."""
    assert lifetime(wanted, 100) == given
