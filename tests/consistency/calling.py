"""Owns a client's calls: made over real gRPC, some with little patience, each written to the history with its end."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, TextIO

import grpc
from tokensvc_pb.v1 import token_service_pb2 as pb
from tokensvc_pb.v1.token_service_pb2_grpc import TokenServiceStub

from tests.consistency import history
from tests.consistency.history import (
    NOT_SENT,
    OK,
    UNKNOWN,
    Introspect,
    Issue,
    Operation,
    Record,
    Refresh,
    Revoke,
    Target,
)
from tests.consistency.nodes import Client
from tests.harness import Caller, failure_of

SWEEP = "-sweep"  # ends the name of a process whose calls are patient

_CONNECTIONS = 2
_TIMEOUT = 4.0
_PATIENT_TIMEOUT = 30.0
_UNANSWERED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
_TURNED_AWAY = "OVERLOADED"  # also what has come too late to be begun, from a node that was frozen
_NO_CONNECTION = "failed to connect to all addresses"  # said by gRPC of a call that waited for one
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # so that the connections end at different workers
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 500),
)


@dataclass(frozen=True)
class Told:
    """How a call ended, and the answer if there was one."""

    common: dict[str, Any]
    answer: Any = None


class Calls:
    """The four RPCs on any node. Every method answers what it wrote to the history, and the answer itself."""

    def __init__(
        self, process: str, chance: Random, stubs: Mapping[str, Sequence[TokenServiceStub]], metadata: Any, file: TextIO
    ) -> None:
        self.unanswered = 0
        self._patient = False
        self._process = process
        self._chance = chance
        self._stubs = stubs
        self._metadata = metadata
        self._file = file
        self._numbers = count(1)

    def be_patient(self) -> None:
        """From now on every call waits for its node and for its answer, so that one without an answer means trouble."""
        self._patient = True
        self.unanswered = 0
        self._process += SWEEP

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes."""
        return list(self._stubs)

    async def issue(self, node: str, key: str, subject: str, device: str, client: Client) -> tuple[Any, Any]:
        """Issue."""
        request = pb.IssueRequest(subject=subject, client_id=client.name, device={"id": device}, idempotency_key=key)
        told = await self._call("Issue", node, request)
        policy: dict[str, Any] = {"client": client.name, "retries": client.retries, "rotates": client.rotates}
        whose: dict[str, Any] = {"subject": subject, "device": device, "key": key, **policy}
        return self._write(Issue(**told.common, **whose, **_tokens(told.answer))), told.answer

    async def refresh(self, node: str, token: str) -> tuple[Any, Any]:
        """Refresh."""
        told = await self._call("Refresh", node, pb.RefreshRequest(refresh_token=token))
        record = Refresh(**told.common, token=history.fingerprint(token), **_tokens(told.answer))
        return self._write(record), told.answer

    async def introspect(self, node: str, token: str) -> None:
        """Introspect."""
        told = await self._call("Introspect", node, pb.IntrospectRequest(token=token))
        self._write(_look(told.common, token, told.answer))

    async def introspect_all(self, node: str, tokens: Sequence[str]) -> None:
        """BatchIntrospect, written as a look at each token."""
        told = await self._call("BatchIntrospect", node, pb.BatchIntrospectRequest(tokens=tokens))
        results = told.answer.results if told.answer is not None else [None] * len(tokens)
        name = told.common["name"]
        for number, (token, result) in enumerate(zip(tokens, results, strict=True)):
            self._write(_look(told.common | {"name": f"{name}.{number}", "batch": name}, token, result))

    async def revoke(self, node: str, target: Target, value: str, device: str = "") -> bool:
        """Revoke; answer whether it was answered with success."""
        if target is Target.DEVICE:
            request = pb.RevokeRequest(device={"subject": value, "device_id": device})
            shown = history.device_value(value, device)
        else:
            named: dict[str, Any] = {target.value: value}
            request = pb.RevokeRequest(**named)
            shown = history.fingerprint(value) if target is Target.TOKEN else value
        told = await self._call("Revoke", node, request)
        record = Revoke(**told.common, target=target, value=shown)
        self._write(record)
        return record.is_ok

    async def _call(self, method: str, node: str, request: Any) -> Told:
        hurry = not self._patient and self._chance.random() < 0.05
        cancels = hurry and self._chance.random() < 0.5
        moment = self._chance.uniform(0.001, 0.04)
        usual = _PATIENT_TIMEOUT if self._patient else _TIMEOUT
        timeout = moment if hurry and not cancels else usual
        rpc = getattr(self._chance.choice(self._stubs[node]), method)
        start, answer = time.monotonic_ns(), None
        call = rpc(request, metadata=self._metadata, timeout=timeout, wait_for_ready=self._patient)
        if cancels:
            asyncio.get_running_loop().call_later(moment, call.cancel)
        outcome, said = UNKNOWN, "CANCELLED by its task"
        try:
            answer, outcome, said = await call, OK, ""
        except asyncio.CancelledError:
            pass
        except grpc.aio.AioRpcError as error:
            failure = failure_of(error)
            said = f"{failure.code.name} {failure.message}"
            if failure.reason == _TURNED_AWAY or failure.message.startswith(_NO_CONNECTION):
                outcome = NOT_SENT
            elif failure.code not in _UNANSWERED:
                outcome = failure.reason or failure.code.name
        end = time.monotonic_ns()
        self.unanswered += outcome in (UNKNOWN, NOT_SENT)
        name = f"{self._process}-{next(self._numbers)}"
        common = {"name": name, "node": node, "start": start, "end": end, "outcome": outcome, "said": said}
        return Told({**common, "revision": answer.revision if answer else 0}, answer)

    def _write(self, record: Record) -> Any:
        self._file.write(history.line_of(record))
        return record


def _tokens(answer: Any) -> dict[str, Any]:
    if answer is None:
        return {}
    tokens = {name: history.fingerprint(getattr(answer, name)) for name in ("refresh_token", "access_token")}
    return {"session": answer.session_id, **tokens}


def _look(common: dict[str, Any], token: str, answer: Any) -> Operation:
    told = {"active": answer.active, "session": answer.session_id} if answer else {}
    return Introspect(**common, token=history.fingerprint(token), **told)


@asynccontextmanager
async def calling(
    process: str, chance: Random, addresses: Mapping[str, str], credentials: tuple[str, str], file: TextIO
) -> AsyncIterator[Calls]:
    """Calls to the nodes at `addresses`, over several connections to each."""
    async with AsyncExitStack() as stack:

        async def connect(address: str) -> grpc.aio.Channel:
            return await stack.enter_async_context(grpc.aio.insecure_channel(address, options=_OPTIONS))

        channels = {name: [await connect(address) for _ in range(_CONNECTIONS)] for name, address in addresses.items()}
        stubs = {name: [TokenServiceStub(channel) for channel in found] for name, found in channels.items()}
        metadata = Caller(*credentials, next(iter(channels.values()))[0]).metadata
        yield Calls(process, chance, stubs, metadata, file)
