"""FlagSubject and UnflagSubject: what an operator or a risk engine says of a subject."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import session_service_pb2 as pb

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import issue, refresh
from tests.rpc.tables import rows_of, tables_of
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import HOUR, Rotation


@pytest.fixture
async def operator(service: Service) -> Caller:
    """A caller who may do everything."""
    return await service.caller("operator", permissions=frozenset(Permission))


@pytest.fixture
async def app(service: Service) -> Caller:
    """A client whose refresh tokens rotate on a sign of risk."""
    return await service.caller("app", policy=policy_of(rotation=Rotation.SELECTIVE))


async def _flag(caller: Caller, subject: str = "ada", *, until: int | None = None, reason: str = "") -> int:
    moment = None if until is None else Timestamp(seconds=until // 1000)
    return (await caller.FlagSubject(pb.FlagSubjectRequest(subject=subject, reason=reason, expires_at=moment))).revision


async def _unflag(caller: Caller, subject: str = "ada") -> int:
    return (await caller.UnflagSubject(pb.UnflagSubjectRequest(subject=subject))).revision


async def _rotates(app: Caller, subject: str = "ada") -> bool:
    token = (await issue(app, subject)).refresh_token
    return (await refresh(app, token)).refresh_token != token


async def test_a_marked_subject_rotates(operator: Caller, app: Caller) -> None:
    """From the answer on, at every refresh, and nobody else's."""
    assert not await _rotates(app)
    await _flag(operator)
    assert await _rotates(app)
    assert not await _rotates(app, "bob")


async def test_the_mark_can_be_taken_away(operator: Caller, app: Caller) -> None:
    """From that answer on all is as before."""
    first = await _flag(operator)
    assert await _unflag(operator) == first + 1
    assert not await _rotates(app)


async def test_to_take_away_what_is_not_there_writes_nothing(service: Service, operator: Caller) -> None:
    """It succeeds all the same, for a subject that has never been marked and for one that is no more."""
    first = await _flag(operator)
    await _unflag(operator)
    before = tables_of(service)
    assert [await _unflag(operator), await _unflag(operator, "bob")] == [first + 1] * 2
    assert tables_of(service) == before


async def test_marks_that_have_ended_are_pruned(service: Service, operator: Caller) -> None:
    """A risk engine may mark as many as it likes: the log keeps no mark for longer than it holds."""
    for number in range(20):
        await _flag(operator, f"user-{number}", until=service.clock() + HOUR)
    await _unflag(operator, "user-0")
    service.clock.advance(days=2)
    await service.store.prune(service.clock(), 1000)
    assert rows_of(service, "revocation_log") == []


async def test_a_clock_that_is_set_back_finds_the_mark(service: Service, operator: Caller, app: Caller) -> None:
    """A mark is remembered past its end, like all that a revocation has ended."""
    await _flag(operator, until=service.clock() + 600_000)
    service.clock.advance(minutes=11)
    await _flag(operator, "bob")  # whereupon the view forgets what is over
    await _unflag(operator, "bob")
    service.clock.advance(minutes=-8)
    assert await _rotates(app)


async def test_the_mark_may_end_by_itself(service: Service, operator: Caller, app: Caller) -> None:
    """It holds until its moment and not from then on."""
    await _flag(operator, until=service.clock() + HOUR)
    service.clock.advance(minutes=59)
    assert await _rotates(app)
    service.clock.advance(minutes=1)
    assert not await _rotates(app)


async def test_the_last_word_counts(service: Service, operator: Caller, app: Caller) -> None:
    """A mark that is given again ends when the second one says, also if that is earlier."""
    await _flag(operator)
    await _flag(operator, until=service.clock() + HOUR)
    service.clock.advance(hours=2)
    assert not await _rotates(app)


async def test_marks_are_audited(service: Service, operator: Caller) -> None:
    """Who has marked whom, and why."""
    await _flag(operator, reason="password leaked")
    event = rows_of(service, "audit_events")[-1]
    assert [event[name] for name in ("type", "caller", "subject", "reason")] == [
        "subject.flagged",
        "operator",
        "ada",
        "password leaked",
    ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({}, "subject", id="no subject"),
        pytest.param({"subject": "a" * 256}, "subject", id="too long a subject"),
        pytest.param({"subject": "ada", "reason": "r" * 256}, "reason", id="too long a reason"),
        pytest.param({"subject": "ada", "reason": "tokensvc: mine"}, "reason", id="our own words"),
        pytest.param({"subject": "ada", "expires_at": {"seconds": 1}}, "expires_at", id="over already"),
        pytest.param({"subject": "ada", "expires_at": {"seconds": 2**50}}, "expires_at", id="no date"),
    ],
)
async def test_bad_input_is_refused(service: Service, operator: Caller, fields: dict[str, object], field: str) -> None:
    """Reason and field are named, and nothing is written."""
    before = tables_of(service)
    refused = await failure(operator.FlagSubject(pb.FlagSubjectRequest(**fields)))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", (field,))
    assert tables_of(service) == before


async def test_only_an_admin_may(service: Service, bff: Caller) -> None:
    """Permissions to issue and to revoke do not suffice."""
    for call in (_flag(bff), _unflag(bff)):
        assert (await failure(call)).reason == "CALLER_NOT_PERMITTED"
