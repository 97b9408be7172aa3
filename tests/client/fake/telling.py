"""Tells the same story to the fake and to the service, and writes down what each of them answers, in the same words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.protobuf import json_format
from tokensvc_client.testing import FakeClock, FakeTokenService
from tokensvc_pb.v1 import client_service_pb2 as clients_pb
from tokensvc_pb.v1 import token_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.fake.jwts import claims_of, header_of
from tests.fakes import FakeClock as ServiceClock
from tests.harness import ISSUER, Caller, failure_of, policy_of, running_service
from tokensvc.domain.client import Permission
from tokensvc.domain.policy import ExchangePolicy, SessionLimitAction

START = datetime.fromtimestamp(1_800_000_000, UTC)
PHONE = token_pb2.Device(id="phone", name="Ada's phone", platform="ios")

_RANDOM = ("access_token", "refresh_token", "session_id", "token_id", "jti", "sid", "client_secret", "page_token")


class Clock(Protocol):
    """Either clock."""

    def advance(self, **spans: float) -> None:
        """Let time pass."""


@dataclass
class Story:
    """Callers of one service, and what they were answered.

    `bff` may do everything but administer, `shop` the same for itself alone and with two sessions a subject, `admin`
    administers, `watcher` may only watch.
    """

    clock: Clock
    bff: Caller
    shop: Caller
    admin: Caller
    watcher: Caller
    outcomes: list[str] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)
    _first_revision: int | None = None

    async def tell(self, caller: Caller, method: str, request: Any) -> Any:
        """Call, and write down what comes back; answers it, or an empty message where the call was refused."""
        try:
            answer = await getattr(caller, method)(request)
        except grpc.aio.AioRpcError as error:
            failed = failure_of(error)
            self.outcomes.append(failed.reason)
            self.answers.append((method, failed.code, failed.reason, failed.fields))
            return None
        self.outcomes.append("OK")
        self.answers.append((method, self._told(json_format.MessageToDict(answer, preserving_proto_field_name=True))))
        return answer

    async def issue(self, subject: str = "ada", caller: Caller | None = None, **fields: Any) -> Any:
        """Issue."""
        return await self.tell(caller or self.bff, "Issue", pb.IssueRequest(subject=subject, **fields))

    async def refresh(self, token: str, caller: Caller | None = None, **fields: Any) -> Any:
        """Refresh."""
        return await self.tell(caller or self.bff, "Refresh", pb.RefreshRequest(refresh_token=token, **fields))

    async def revoke(self, caller: Caller | None = None, **fields: Any) -> Any:
        """Revoke."""
        return await self.tell(caller or self.bff, "Revoke", pb.RevokeRequest(**fields))

    async def look(self, *tokens: str, caller: Caller | None = None, **fields: Any) -> None:
        """Introspect each of `tokens`; what is written down is whether it is active."""
        for token in tokens:
            answer = await self.tell(caller or self.bff, "Introspect", pb.IntrospectRequest(token=token, **fields))
            if answer is not None:
                self.outcomes[-1] = "active" if answer.active else "inactive"

    def _told(self, value: Any, name: str = "") -> Any:
        """`value` without what chance has made: names stand for that, the same for the same."""
        match value:
            case dict():
                return {key: self._told(member, key) for key, member in sorted(value.items())}
            case list():
                return [self._told(item, name) for item in value]
            case str() if name == "access_token":
                return self._named(value), header_of(value) | {"kid": ""}, self._told(claims_of(value))
            case str() if name in _RANDOM or name.endswith("page_token"):
                return self._named(value)
        return self._relative(value) if name in ("revision", "rev") else value

    def _named(self, value: str) -> str:
        return self._names.setdefault(value, f"#{len(self._names)}")

    def _relative(self, revision: Any) -> int:
        number = int(revision)
        if self._first_revision is None:
            self._first_revision = number
        return number - self._first_revision


@asynccontextmanager
async def of_the_fake() -> AsyncIterator[Story]:
    """A story about the fake."""
    clock = FakeClock(START)
    policy: dict[str, Any] = {"scopes": ["read", "write"], "audiences": ["api", "billing"]}
    everything = [number for number in clients_pb.Permission.values() if number not in (0, clients_pb.PERMISSION_ADMIN)]
    with FakeTokenService(clock, issuer=ISSUER) as fake:
        fake.add_client("bff", secret="s1", permissions=everything, answers_for=["api"], **policy)
        refuse = clients_pb.SESSION_LIMIT_ACTION_REFUSE
        limit = {"max_sessions": 2, "session_limit_action": refuse}
        fake.add_client("shop", secret="s2", permissions=everything, acts_for=[], **policy, **limit)
        fake.add_client("admin", secret="s3", permissions=[clients_pb.PERMISSION_ADMIN], acts_for=[])
        fake.add_client("watcher", secret="s4", permissions=[clients_pb.PERMISSION_WATCH], acts_for=[])
        async with grpc.aio.insecure_channel(fake.target) as channel:
            names = ("bff", "shop", "admin", "watcher")
            yield Story(clock, *(Caller(name, f"s{number}", channel) for number, name in enumerate(names, 1)))


@asynccontextmanager
async def of_the_service(data_dir: Path) -> AsyncIterator[Story]:
    """The same story about the service."""
    clock = ServiceClock(round(START.timestamp() * 1000))
    async with running_service(data_dir, memory=True, clock=clock) as service:
        limited = policy_of(max_sessions=2, session_limit_action=SessionLimitAction.REFUSE)
        trades = ExchangePolicy(frozenset({"*"}), frozenset({"ledger"}))
        bff = await service.caller("bff", exchange_policy=trades)
        shop = await service.caller("shop", policy=limited, acts_for=frozenset(), audiences=frozenset())
        nothing: dict[str, Any] = {"acts_for": frozenset(), "audiences": frozenset()}
        admin = await service.caller("admin", permissions=frozenset({Permission.ADMIN}), **nothing)
        watcher = await service.caller("watcher", permissions=frozenset({Permission.WATCH}), **nothing)
        yield Story(clock, bff, shop, admin, watcher)
