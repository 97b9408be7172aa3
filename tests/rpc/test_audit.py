"""ListAuditEvents: what it shows, and to whom."""

import base64
from typing import Any

import pytest
from tokensvc_pb.v1 import audit_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.steps import issue, refresh, revoke
from tests.rpc.tables import tables_of
from tokensvc.domain.client import Permission
from tokensvc.domain.effects import AuditEvent, Effects
from tokensvc.ports import Unit


@pytest.fixture
async def admin(service: Service) -> Caller:
    """A caller that may read the trail."""
    return await service.caller("admin", permissions=frozenset(Permission))


async def listed(caller: Caller, page_size: int = 0, page_token: str = "", **where: Any) -> pb.ListAuditEventsResponse:
    """A page of events."""
    request = pb.ListAuditEventsRequest(
        filter=pb.AuditFilter(**where) if where else None, page_size=page_size, page_token=page_token
    )
    return await caller.ListAuditEvents(request)


async def types(caller: Caller, **where: Any) -> list[str]:
    """The types of the events, newest first."""
    return [event.type for event in (await listed(caller, **where)).events]


async def test_an_event_is_shown_whole(service: Service, admin: Caller) -> None:
    """Who did what, when, from where and to whom, with the details of its type and its hash."""
    issued = await issue(admin, context={"ip": "192.0.2.1"}, scopes=["read"])
    (event,) = (await listed(admin, subject="ada")).events
    assert (event.type, event.caller, event.client_id, event.subject) == ("session.issued", "admin", "admin", "ada")
    assert (event.session_id, event.ip) == (issued.session_id, "192.0.2.1")
    assert event.time.ToMilliseconds() == service.clock()
    assert dict(event.details)["scope"] == "read"
    assert (event.sequence, len(event.chain_hash)) == (2, 32)


async def test_what_happens_to_a_session_is_listed_newest_first(service: Service, admin: Caller) -> None:
    """The life of a session can be read from the trail."""
    issued = await issue(admin)
    second = await refresh(admin, issued.refresh_token)
    await refresh(admin, issued.refresh_token)
    await revoke(admin, token=second.refresh_token, reason="logout")
    events = (await listed(admin, session_id=issued.session_id)).events
    expected = ["session.revoked", "session.refresh_retried", "session.refreshed", "session.issued"]
    assert [event.type for event in events] == expected
    assert events[0].reason == "logout"


async def test_events_are_found_by_each_filter(service: Service, admin: Caller) -> None:
    """By subject, client, session, types and time."""
    await service.public_client("app")
    first = await issue(admin)
    service.clock.advance(seconds=60)
    await issue(admin, "bob", client_id="app")
    assert await types(admin, subject="bob") == ["session.issued"]
    assert await types(admin, client_id="app") == ["session.issued", "client.created"]
    assert await types(admin, session_id=first.session_id) == ["session.issued"]
    assert await types(admin, types=["client.created"]) == ["client.created"] * 2
    moment = {"seconds": service.clock() // 1000}
    assert await types(admin, subject="ada", from_time=moment) == []
    assert await types(admin, subject="ada", to_time=moment) == ["session.issued"]


@pytest.mark.parametrize("size", [1, 3, 7, 8, 1000])
async def test_pages_show_every_event_once(admin: Caller, size: int) -> None:
    """Page by page every event is seen once and in order, also while more is written."""
    for _ in range(6):
        await issue(admin)
    whole = [event.sequence for event in (await listed(admin)).events]
    seen: list[int] = []
    page_token = ""
    while True:
        page = await listed(admin, size, page_token)
        assert len(page.events) <= size
        seen += [event.sequence for event in page.events]
        await issue(admin)
        if not (page_token := page.next_page_token):
            break
    assert seen == whole == sorted(whole, reverse=True)


def _token(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": 1001}, "page_size"),
        ({"page_token": "nonsense"}, "page_token"),
        *(({"page_token": _token(place)}, "page_token") for place in ("0", "-1", "1_0", "9" * 30, "1 ", "x")),
        ({"subject": "x" * 256}, "filter.subject"),
        ({"subject": "\x00"}, "filter.subject"),
        ({"client_id": "a b"}, "filter.client_id"),
        ({"session_id": "a\nb"}, "filter.session_id"),
        ({"types": [""]}, "filter.types"),
        ({"types": ["x"] * 101}, "filter.types"),
        ({"from_time": {"seconds": 2**60}}, "filter.from_time"),
        ({"to_time": {"nanos": -1}}, "filter.to_time"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_bad_query_is_refused(service: Service, admin: Caller, fields: dict[str, Any], field: str) -> None:
    """A query that is out of bounds is refused with the field named, and nothing is written."""
    before = tables_of(service)
    refused = await failure(listed(admin, **fields))
    assert (refused.code.name, refused.reason, refused.fields) == ("INVALID_ARGUMENT", "INVALID_REQUEST", (field,))
    assert tables_of(service) == before


async def test_nobody_reads_the_trail_without_the_permission(service: Service, bff: Caller) -> None:
    """Every other permission is not enough."""
    refused = await failure(listed(bff))
    assert (refused.code.name, refused.reason) == ("PERMISSION_DENIED", "CALLER_NOT_PERMITTED")


async def test_a_page_has_as_many_bytes_as_a_caller_takes(service: Service, admin: Caller) -> None:
    """However long its events are: the pages together show them all."""
    long = AuditEvent("long", service.clock(), details={"scope": "x" * 45_000})
    await service.store.commit(Unit(lambda _rows: Effects(None, audit=(long,) * 100)))
    seen: list[int] = []
    page_token = ""
    while True:
        page = await listed(admin, 1000, page_token)
        assert page.ByteSize() < 4 * 1024 * 1024
        seen += [event.sequence for event in page.events]
        if not (page_token := page.next_page_token):
            break
    assert seen == [*range(101, 0, -1)]
