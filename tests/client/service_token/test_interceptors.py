"""Calls that carry a service's own token, over channels for threads and for asyncio, to a door with a keeper."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest
from tokensvc_client import TokenClient, UnavailableError
from tokensvc_client.service_token import ServiceToken, ServiceTokenInterceptor, service_token_interceptors
from tokensvc_client.testing import FakeTokenService

from tests.client.service_token.conftest import ME, ORDER, Source
from tests.client.waiting import told

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Door:
    """Answers with the `authorization` that a call has; refuses those that it is told to."""

    def __init__(self) -> None:
        self.refuses: Callable[[str], bool] = lambda authorization: False
        self.seen: list[str] = []

    def enter(self, requests: Any, context: grpc.ServicerContext) -> bytes:
        authorization = " and ".join(
            str(value) for key, value in context.invocation_metadata() if key == "authorization"
        )
        self.seen.append(authorization)
        if self.refuses(authorization):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        return authorization.encode()

    def enter_often(self, requests: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        yield self.enter(requests, context)


@pytest.fixture
def door() -> Door:
    """A door that is open."""
    return Door()


@pytest.fixture
async def enter(source: Source, door: Door) -> AsyncIterator[Callable[..., Any]]:
    """Makes a call of a kind over a channel of the source's kind, and answers what came."""
    server = grpc.server(ThreadPoolExecutor(8))
    made = {
        kind: getattr(grpc, f"{kind}_rpc_method_handler")(door.enter_often if kind.endswith("stream") else door.enter)
        for kind in KINDS
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("toy.Door", made),))
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    if isinstance(source, ServiceToken):
        with grpc.insecure_channel(target) as plain:
            channel = grpc.intercept_channel(plain, ServiceTokenInterceptor(source))

            def call(kind: str = "unary_unary", **options: Any) -> str:
                answer = getattr(channel, kind)(f"/toy.Door/{kind}")(asked(kind), **options)
                return (b"".join(answer) if kind.endswith("stream") else answer).decode()

            yield lambda *args, **options: told(call, *args, **options)
    else:
        async with grpc.aio.insecure_channel(target, interceptors=service_token_interceptors(source)) as aio:

            async def call_async(kind: str = "unary_unary", **options: Any) -> str:
                answer = getattr(aio, kind)(f"/toy.Door/{kind}")(asked(kind), **options)
                return (b"".join([one async for one in answer]) if kind.endswith("stream") else await answer).decode()

            yield call_async
    server.stop(None).wait()


def asked(kind: str) -> Any:
    """What is sent by a call of a kind."""
    return iter([]) if kind.startswith("stream") else b""


def issued(fake: FakeTokenService) -> int:
    """How often Issue was called."""
    return Counter(call.method for call in fake.requests)["Issue"]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_call_has_the_token(enter: Any, source: Source, kind: str) -> None:
    """One token for all of them."""
    assert await enter(kind) == f"Bearer {await told(source.token)}"


async def test_other_metadata_and_the_time_limit_stay(enter: Any, door: Door) -> None:
    """A call that cannot be answered in time ends in time."""
    assert (await enter(metadata=(("color", "red"),), timeout=10)).startswith("Bearer ")
    release = threading.Event()
    door.refuses = lambda authorization: release.wait(10) and False
    with pytest.raises(grpc.RpcError) as late:
        await enter(timeout=0.1)
    release.set()
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_call_with_authorization_of_its_own_keeps_it(enter: Any, fake: FakeTokenService) -> None:
    """A service that passes on its user's token does not add its own."""
    assert await enter(metadata=(("authorization", "Bearer ada"),)) == "Bearer ada"
    assert issued(fake) == 0


async def test_a_refused_token_is_replaced_and_the_call_is_made_again(enter: Any, source: Source, door: Door) -> None:
    """The caller of a unary method does not notice."""
    first = await told(source.token)
    door.refuses = lambda authorization: authorization == f"Bearer {first}"
    assert await enter() == f"Bearer {await told(source.token)}" != f"Bearer {first}"
    assert len(door.seen) == 2


async def test_many_refused_calls_share_one_new_token(
    enter: Any, source: Source, door: Door, fake: FakeTokenService
) -> None:
    """The refusals of one token cost one Issue."""
    first = await told(source.token)
    door.refuses = lambda authorization: authorization == f"Bearer {first}"
    assert len(set(await asyncio.gather(*(enter() for _ in range(20))))) == 1
    assert issued(fake) == 2


async def test_a_door_that_refuses_everything_is_tried_twice(enter: Any, door: Door, fake: FakeTokenService) -> None:
    """The refusal of the second token is the caller's, and later calls do not have more tokens issued."""
    door.refuses = lambda authorization: True
    for _ in range(3):
        with pytest.raises(grpc.RpcError) as refused:
            await enter()
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert len(door.seen) == 4
    assert issued(fake) == 2


@pytest.mark.parametrize("kind", KINDS[1:])
async def test_a_stream_is_not_repeated_but_the_next_call_has_another_token(
    enter: Any, source: Source, door: Door, kind: str
) -> None:
    """What a stream has sent or received cannot be taken back."""
    first = await told(source.token)
    door.refuses = lambda authorization: authorization == f"Bearer {first}"
    with pytest.raises(grpc.RpcError):
        await enter(kind)
    assert len(door.seen) == 1
    limit = asyncio.get_running_loop().time() + 10
    while await told(source.token) == first:
        assert asyncio.get_running_loop().time() < limit
        await asyncio.sleep(0.005)  # it is renewed behind us, and nobody is told
    assert await enter(kind) != f"Bearer {first}"


async def test_without_a_token_no_call_is_made(enter: Any, door: Door, fake: FakeTokenService) -> None:
    """The failure is that of the token service."""
    fake.fail_next("Issue", "STORE_UNAVAILABLE", times=100)
    with pytest.raises(UnavailableError):
        await enter()
    assert door.seen == []


def test_a_call_of_the_future_does_not_wait(door: Door, fake: FakeTokenService) -> None:
    """It is under way at once; if its token is refused, the next call has another one."""
    opened = threading.Event()
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(door.enter)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("toy.Door", {"unary_unary": handler}),))
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with TokenClient(fake.target, credentials=ME) as client, grpc.insecure_channel(target) as plain:
        source = ServiceToken(client, **ORDER)
        first = source.token()
        door.refuses = lambda authorization: opened.wait(10) and authorization == f"Bearer {first}"
        enter = grpc.intercept_channel(plain, ServiceTokenInterceptor(source)).unary_unary("/toy.Door/unary_unary")
        call = enter.future(b"")
        assert not call.done()
        opened.set()
        assert call.exception(timeout=10) is not None
        limit = time.monotonic() + 10
        while source.token() == first:
            assert time.monotonic() < limit
    server.stop(None).wait()
