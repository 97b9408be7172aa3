"""A verifier that follows WatchRevocations comes to the verdict of Introspect, whatever was revoked, and how."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service
from tests.rpc.exchanges import Company
from tests.rpc.steps import exchange, is_active, issue, refresh, revoke
from tests.rpc.stream_verifier import StreamVerifier, claims_of, watch
from tokensvc.services.clients import OPERATOR

PHONE, TABLET = {"id": "phone"}, {"id": "tablet"}


class Verdicts:
    """Tokens of a company, and what two verifiers and Introspect say of them."""

    def __init__(self, service: Service, company: Company, reader: Caller) -> None:
        self.service = service
        self.company = company
        self.reader = reader
        self.tokens: dict[str, str] = {}
        self.sessions: dict[str, Any] = {}

    async def log_in(self) -> None:
        """Sessions of several users on several devices, tokens without a session, and traded tokens."""
        app, web, clock = self.company.app, self.company.web, self.service.clock
        for name, caller, subject, fields in (
            ("phone", app, "ada", {"device": PHONE}),
            ("tablet", app, "ada", {"device": TABLET}),
            ("web", web, "ada", {}),
            ("bob", app, "bob", {"device": PHONE}),
            ("alone", app, "ada", {"access_only": True}),
        ):
            self.sessions[name] = await issue(caller, subject, **fields)
            self.tokens[name] = self.sessions[name].access_token
            clock.advance(milliseconds=1)
        self.tokens["phone again"] = (await refresh(app, self.sessions["phone"].refresh_token)).access_token
        self.tokens["traded"] = (await exchange(self.company.orders, self.tokens["phone"])).access_token
        self.tokens["traded on"] = (await exchange(self.company.ledger, self.tokens["traded"], "mail")).access_token
        bot = await self.company.bot_token()
        acted = await exchange(self.company.orders, self.tokens["bob"], actor_token=bot)
        self.tokens |= {"bot": bot, "acted": acted.access_token}


@pytest.fixture
async def verdicts(service: Service, company: Company, reader: Caller) -> Verdicts:
    """A company that has logged in."""
    found = Verdicts(service, company, reader)
    await found.log_in()
    return found


Act = Callable[[Verdicts], Awaitable[Any]]


async def _disable(v: Verdicts) -> None:
    await v.service.clients.set_disabled("app", disabled=True, caller=OPERATOR)


async def _enable_again(v: Verdicts) -> None:
    await _disable(v)
    await v.service.clients.set_disabled("app", disabled=False, caller=OPERATOR)
    v.tokens["afterwards"] = (await issue(v.company.app, "ada")).access_token


async def _delete_and_register(v: Verdicts) -> None:
    await v.service.clients.delete("web", caller=OPERATOR)
    web = await v.service.caller("web")
    v.tokens["afterwards"] = (await issue(web, "ada")).access_token


async def _new_login_behind_a_barrier(v: Verdicts) -> None:
    await revoke(v.company.app, subject="ada")
    v.tokens["afterwards"] = (await issue(v.company.app, "ada")).access_token


async def _before_a_moment(v: Verdicts) -> None:
    moment = round(claims_of(v.tokens["tablet"])["orig_iat"] * 1000)
    await v.company.app.Revoke(_issued_before("ada", moment))


def _issued_before(subject: str, moment: int) -> pb.RevokeRequest:
    request = pb.RevokeRequest(subject=subject)
    request.issued_before.FromMilliseconds(moment)
    return request


ACTS: dict[str, tuple[Act, set[str]]] = {
    "nothing": (lambda v: revoke(v.company.app, subject="nobody"), set()),
    "a token": (lambda v: revoke(v.company.app, token=v.tokens["phone again"]), {"phone again"}),
    "a token that was traded": (
        lambda v: revoke(v.company.app, token=v.tokens["phone"]),
        {"phone", "traded", "traded on"},
    ),
    "a traded token": (lambda v: revoke(v.company.orders, token=v.tokens["traded"]), {"traded", "traded on"}),
    "an actor's token": (lambda v: revoke(v.company.bot, token=v.tokens["bot"]), {"bot", "acted"}),
    "a session": (
        lambda v: revoke(v.company.app, session_id=v.sessions["phone"].session_id),
        {"phone", "phone again", "traded", "traded on"},
    ),
    "a subject": (
        lambda v: revoke(v.company.app, subject="ada"),
        {"phone", "tablet", "web", "alone", "phone again", "traded", "traded on"},
    ),
    "a device": (
        lambda v: revoke(v.company.app, device={"subject": "ada", "device_id": "phone"}),
        {"phone", "phone again", "traded", "traded on"},
    ),
    "a client": (
        lambda v: revoke(v.company.app, client_id="app"),
        {"phone", "tablet", "bob", "alone", "phone again", "traded", "traded on", "acted"},
    ),
    "a client that trades": (lambda v: revoke(v.company.orders, client_id="orders"), {"traded", "traded on", "acted"}),
    "a moment": (_before_a_moment, {"phone", "phone again", "traded", "traded on"}),
    "a login behind a barrier": (
        _new_login_behind_a_barrier,
        {"phone", "tablet", "web", "alone", "phone again", "traded", "traded on"},
    ),
    "a client is disabled": (
        _disable,
        {"phone", "tablet", "bob", "alone", "phone again", "traded", "traded on", "acted"},
    ),
    "a client is enabled again": (
        _enable_again,
        {"phone", "tablet", "bob", "alone", "phone again", "traded", "traded on", "acted"},
    ),
    "a client is deleted": (_delete_and_register, {"web"}),
}


@pytest.mark.parametrize("what", ACTS)
async def test_the_verdict_is_that_of_introspect(verdicts: Verdicts, what: str) -> None:
    """For every token: of one who has watched all the time, and of one who begins with a snapshot afterwards."""
    act, ended = ACTS[what]
    early = StreamVerifier(watch(verdicts.company.bot))
    await early.follow(1)
    await act(verdicts)
    head = (await verdicts.service.store.view()).revision
    await early.follow(head)
    late = StreamVerifier(watch(verdicts.company.bot))
    await late.follow(head)
    active = {name: await is_active(verdicts.reader, token) for name, token in verdicts.tokens.items()}
    assert {name for name, is_so in active.items() if not is_so} == ended
    for verifier in (early, late):
        assert {name: verifier.accepts(token) for name, token in verdicts.tokens.items()} == active
        verifier._stream.cancel()
