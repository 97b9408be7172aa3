"""What SessionService shows, and to whom."""

import base64
from typing import Any

import pytest
from tokensvc_pb.v1 import session_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.steps import issue, refresh, revoke, session_of
from tests.rpc.tables import tables_of
from tokensvc.services.clients import OPERATOR


async def _list(caller: Caller, **fields: Any) -> pb.ListSessionsResponse:
    return await caller.ListSessions(pb.ListSessionsRequest(**fields))


async def _listed(caller: Caller, **fields: Any) -> list[str]:
    return [session.session_id for session in (await _list(caller, **fields)).sessions]


async def _pages(caller: Caller, **fields: Any) -> list[list[str]]:
    pages, page_token = [], ""
    while True:
        answer = await _list(caller, page_token=page_token, **fields)
        pages.append([session.session_id for session in answer.sessions])
        if not (page_token := answer.next_page_token):
            return pages


async def test_a_session_is_described(service: Service, bff: Caller) -> None:
    """GetSession shows what Issue fixed and what happened since."""
    issued = await issue(bff, scopes=["read"], audiences=["api"], acr="gold", amr=["pwd"], auth_time={"seconds": 17})
    started_at = service.clock()
    service.clock.advance(seconds=60)
    await refresh(bff, issued.refresh_token)
    shown = await session_of(bff, issued.session_id)
    assert (shown.session_id, shown.client_id, shown.subject) == (issued.session_id, "bff", "ada")
    assert (shown.scopes, shown.audiences, shown.acr, shown.amr) == (["read"], ["api"], "gold", ["pwd"])
    assert (shown.state, shown.generation, shown.auth_time.seconds) == (pb.SESSION_STATE_ACTIVE, 1, 17)
    assert shown.started_at.ToMilliseconds() == started_at
    assert shown.last_used_at.ToMilliseconds() == started_at + 60_000
    assert shown.idle_expires_at.ToMilliseconds() == started_at + 60_000 + 30 * 86_400_000
    assert shown.expires_at.ToMilliseconds() == started_at + 90 * 86_400_000
    assert not shown.HasField("revoked_at")


async def test_sessions_are_listed_newest_first(service: Service, bff: Caller) -> None:
    """The sessions of a subject come with the latest login first."""
    begun = []
    for _ in range(3):
        begun.append((await issue(bff)).session_id)
        service.clock.advance(seconds=1)
    await issue(bff, "bob")
    assert await _listed(bff, subject="ada") == begun[::-1]


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ({"subject": "ada"}, {"ada/app/phone", "ada/app/tablet", "ada/bff/phone"}),
        ({"client_id": "app"}, {"ada/app/phone", "ada/app/tablet", "bob/app/phone"}),
        ({"subject": "ada", "client_id": "app"}, {"ada/app/phone", "ada/app/tablet"}),
        ({"subject": "ada", "device_id": "phone"}, {"ada/app/phone", "ada/bff/phone"}),
        ({"subject": "nobody"}, set()),
    ],
    ids=lambda value: ",".join(sorted(value)),
)
async def test_sessions_are_found_by_subject_client_and_device(
    service: Service, bff: Caller, wish: dict[str, str], found: set[str]
) -> None:
    """Every filter that is given holds."""
    await service.public_client("app")
    names = {}
    for name in ("ada/app/phone", "ada/app/tablet", "ada/bff/phone", "bob/app/phone"):
        subject, client_id, device_id = name.split("/")
        names[(await issue(bff, subject, client_id=client_id, device={"id": device_id})).session_id] = name
    assert {names[session_id] for session_id in await _listed(bff, **wish)} == found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
async def test_pages_show_every_session_once(service: Service, bff: Caller, size: int) -> None:
    """Page by page every session is seen once and in order, those of one millisecond too."""
    for number in range(7):
        await issue(bff)
        service.clock.advance(seconds=number % 2)
    whole = await _listed(bff, subject="ada")
    pages = await _pages(bff, subject="ada", page_size=size)
    assert [session_id for page in pages for session_id in page] == whole
    assert all(len(page) <= size for page in pages)


async def test_a_login_between_two_pages_does_not_shift_them(bff: Caller) -> None:
    """Sessions that begin while somebody turns pages neither repeat nor hide others."""
    begun = {(await issue(bff)).session_id for _ in range(4)}
    first = await _list(bff, subject="ada", page_size=2)
    newcomer = (await issue(bff)).session_id
    second = await _list(bff, subject="ada", page_size=3, page_token=first.next_page_token)
    seen = [session.session_id for answer in (first, second) for session in answer.sessions]
    assert set(seen) - {newcomer} <= begun
    assert len(seen) == len(set(seen)) >= 4


async def test_sessions_that_have_ended_are_shown_on_request(service: Service, bff: Caller) -> None:
    """Revoked, barred and expired sessions are left out, or listed with their state when they are asked for."""
    revoked = await issue(bff)
    await revoke(bff, session_id=revoked.session_id, reason="logout")
    expired = await issue(bff, refresh_ttl={"seconds": 1})
    barred = await issue(bff, device={"id": "phone"})
    await revoke(bff, device={"subject": "ada", "device_id": "phone"})
    service.clock.advance(seconds=1)
    alive = await issue(bff)
    assert await _listed(bff, subject="ada") == [alive.session_id]
    ended = await _list(bff, subject="ada", include_ended=True)
    assert {session.session_id: session.state for session in ended.sessions} == {
        alive.session_id: pb.SESSION_STATE_ACTIVE,
        revoked.session_id: pb.SESSION_STATE_REVOKED,
        barred.session_id: pb.SESSION_STATE_REVOKED,
        expired.session_id: pb.SESSION_STATE_EXPIRED,
    }


async def test_the_sessions_of_a_disabled_client_have_ended(service: Service, bff: Caller) -> None:
    """A session that cannot be refreshed because its client is disabled is not shown as active."""
    await service.public_client("app")
    issued = await issue(bff, client_id="app")
    await service.clients.set_disabled("app", disabled=True, caller=OPERATOR)
    assert (await session_of(bff, issued.session_id)).state == pb.SESSION_STATE_REVOKED


async def test_the_asking_session_is_marked(bff: Caller) -> None:
    """The session that is named as the current one is marked, and no other."""
    first, second = await issue(bff), await issue(bff)
    answer = await _list(bff, subject="ada", current_session_id=second.session_id)
    assert {session.session_id: session.current for session in answer.sessions} == {
        first.session_id: False,
        second.session_id: True,
    }


async def test_a_caller_sees_the_sessions_of_its_clients_alone(service: Service, bff: Caller) -> None:
    """Sessions of clients that the caller may not act for are neither listed nor found."""
    narrow = await service.caller("narrow", acts_for=frozenset({"app"}))
    await service.public_client("app")
    theirs = await issue(bff)
    shown = [await issue(bff, client_id=client_id) for client_id in ("app", "narrow")]
    assert set(await _listed(narrow, subject="ada")) == {issued.session_id for issued in shown}
    missing = await failure(session_of(narrow, "AAAAAAAAAAAAAAAAAAAAAA"))
    assert await failure(session_of(narrow, theirs.session_id)) == missing
    assert (missing.code.name, missing.reason) == ("NOT_FOUND", "SESSION_NOT_FOUND")
    refused = await failure(_list(narrow, client_id="bff"))
    assert (refused.code.name, refused.reason) == ("PERMISSION_DENIED", "CALLER_NOT_PERMITTED")


NAME = "A" * 22
FORGED_PLACES = (
    "only-one-part",
    f"1 2 {NAME}",
    f"-1 {NAME}",
    f"1_0 {NAME}",
    f"{'9' * 30} {NAME}",
    f"{'9' * 5000} {NAME}",
    "1 \x00",
    f"1 {NAME}\n",
    "1 '; DROP TABLE sessions",
)


def _forged(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "subject"),
        ({"device_id": "phone"}, "subject"),
        ({"client_id": "app", "device_id": "phone"}, "device_id"),
        ({"subject": "a\nb"}, "subject"),
        ({"subject": "x" * 256}, "subject"),
        ({"subject": "ada", "device_id": "\x00"}, "device_id"),
        ({"client_id": "a b"}, "client_id"),
        ({"subject": "ada", "page_size": -1}, "page_size"),
        ({"subject": "ada", "page_size": 1001}, "page_size"),
        ({"subject": "ada", "page_token": "nonsense"}, "page_token"),
        ({"subject": "ada", "page_token": "é"}, "page_token"),
        *(({"subject": "ada", "page_token": _forged(place)}, "page_token") for place in FORGED_PLACES),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_bad_query_is_refused(service: Service, bff: Caller, fields: dict[str, Any], field: str) -> None:
    """A query that is out of bounds is refused with the field named, and nothing is written."""
    before = tables_of(service)
    refused = await failure(_list(bff, **fields))
    assert (refused.code.name, refused.reason, refused.fields) == ("INVALID_ARGUMENT", "INVALID_REQUEST", (field,))
    assert tables_of(service) == before


@pytest.mark.parametrize("session_id", ["", "x" * 256, "a\r\nb"])
async def test_a_bad_session_id_is_refused(bff: Caller, session_id: str) -> None:
    """GetSession refuses what cannot be a session's name, with the field named."""
    refused = await failure(session_of(bff, session_id))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("session_id",))


async def test_a_page_says_nothing_of_sessions_that_are_not_to_be_seen(service: Service, bff: Caller) -> None:
    """Who may act for no other client gets neither their sessions nor a page token that names them."""
    await issue(bff)
    stranger = await service.caller("stranger", acts_for=frozenset())
    listed = await _list(stranger, subject="ada", page_size=1)
    assert (list(listed.sessions), listed.next_page_token) == ([], "")
