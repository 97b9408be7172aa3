"""What a guarded gRPC server lets through and how it refuses, alike for threads and for asyncio."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tokensvc_client.guards import AsyncRequireToken, RequireToken

from tests.certificates import Authority
from tests.client.guards.scene import AUDIENCE, ORIGIN, Scene
from tests.client.guards.shop import KINDS, call, info_of, serving

Channel = grpc.aio.Channel
EACH_KIND = pytest.mark.parametrize("method", KINDS)


@pytest.fixture(params=["threads", "asyncio"])
async def channel(request: pytest.FixtureRequest, scene: Scene) -> AsyncIterator[Channel]:
    """A channel to a shop that is guarded: to collect takes another scope than the rest."""
    demands: Any = {"audience": AUDIENCE, "scopes": ("read",), "methods": {"/toy.Shop/Collect": ("collect",)}}
    guard: Any = RequireToken(scene.verifier, **demands, origin=ORIGIN)
    if request.param == "asyncio":
        guard = AsyncRequireToken(scene.async_verifier, **demands, origin=ORIGIN)
    async with serving(guard) as target, grpc.aio.insecure_channel(target) as channel:
        yield channel


async def refusal(channel: Channel, method: str, headers: dict[str, str]) -> tuple[grpc.StatusCode, str]:
    """The code and the reason that a call is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, method, headers, times=0)  # to write to a call that is over is an error of its own
    info = info_of(refused.value)
    assert info.domain == "tokensvc-client"
    return refused.value.code(), info.reason


@EACH_KIND
async def test_a_good_token_is_let_through(channel: Channel, scene: Scene, method: str) -> None:
    """The handler of every kind of method finds by whom it is called."""
    answers = await call(channel, method, scene.bearer("ada", "read", "collect"))
    assert b" ".join(answers) == b" ".join([b"ada"] * {"Order": 1, "Watch": 3, "Collect": 2, "Chat": 2}[method])


@EACH_KIND
async def test_without_a_token_nobody_is_let_through(channel: Channel, method: str) -> None:
    """A call without a token is refused before its handler runs."""
    assert await refusal(channel, method, {}) == (grpc.StatusCode.UNAUTHENTICATED, "NO_TOKEN")


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
async def test_one_text_is_no_collection_of_open_methods(scene: Scene, kind: str) -> None:
    """Who forgets the brackets opens nothing, and least of all a method whose path is the beginning of the text."""
    opened = "/toy.Shop/OrderForOthers"
    guard: Any = RequireToken(scene.verifier, audience=AUDIENCE, open_methods=opened)
    if kind == "asyncio":
        guard = AsyncRequireToken(scene.async_verifier, audience=AUDIENCE, open_methods=opened)
    async with serving(guard) as target, grpc.aio.insecure_channel(target) as channel:
        assert await refusal(channel, "Order", {}) == (grpc.StatusCode.UNAUTHENTICATED, "NO_TOKEN")


async def test_a_token_that_has_expired_is_refused(channel: Channel, scene: Scene) -> None:
    """What is wrong with a token is not told apart."""
    headers = scene.bearer()
    scene.expire()
    assert await refusal(channel, "Order", headers) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN")


async def test_a_token_for_somebody_else_is_refused(channel: Channel, scene: Scene) -> None:
    """A genuine token of another audience is no token here."""
    headers = scene.bearer(audience="bank-api")
    assert await refusal(channel, "Order", headers) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN")


async def test_the_scopes_of_a_method_count_in_place_of_the_usual_ones(channel: Channel, scene: Scene) -> None:
    """Who may read may not collect, and the refusal says what would be needed."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, "Collect", scene.bearer("ada", "read"), times=0)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert dict(info_of(refused.value).metadata) == {"error": "insufficient_scope", "scope": "collect"}
    assert await call(channel, "Collect", scene.bearer("ada", "collect")) == [b"ada ada"]


async def test_what_cannot_be_verified_now_is_unavailable(channel: Channel, scene: Scene) -> None:
    """While revocations are not known the caller is told to come again, not that its token is bad."""
    headers = scene.bearer()
    scene.feed.is_stale = True
    assert await refusal(channel, "Order", headers) == (grpc.StatusCode.UNAVAILABLE, "UNVERIFIABLE")
    scene.feed.is_stale = False
    assert await call(channel, "Order", headers) == [b"ada"]


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer a b", "Basic YTpi", "", "tsr1_x"])
async def test_what_is_no_token_is_refused(channel: Channel, value: str) -> None:
    """Another scheme, or none, or nothing after it."""
    code, _ = await refusal(channel, "Order", {"authorization": value})
    assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_two_tokens_are_refused(channel: Channel, scene: Scene) -> None:
    """Which of several counts is not guessed."""
    metadata = [("authorization", f"Bearer {scene.token()}")] * 2
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary("/toy.Shop/Order")(b"", metadata=metadata)
    assert info_of(refused.value).reason == "INVALID_REQUEST"


async def test_a_bound_token_comes_with_a_proof_for_the_call(channel: Channel, scene: Scene) -> None:
    """The proof is for the POST that carries the call, and works once."""
    headers = scene.proven("POST", f"{ORIGIN}/toy.Shop/Order")
    assert await call(channel, "Order", headers) == [b"ada"]
    assert await refusal(channel, "Order", headers) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_DPOP_PROOF")


async def test_a_proof_for_another_method_is_refused(channel: Channel, scene: Scene) -> None:
    """Who has overheard a call cannot make another one of it."""
    headers = scene.proven("POST", f"{ORIGIN}/toy.Shop/Watch")
    assert await refusal(channel, "Order", headers) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_DPOP_PROOF")


async def test_a_bound_token_is_no_bearer_token(channel: Channel, scene: Scene) -> None:
    """Also with a good proof beside it (RFC 9449, 7.2)."""
    headers = scene.proven("POST", f"{ORIGIN}/toy.Shop/Order")
    headers["authorization"] = headers["authorization"].replace("DPoP", "Bearer")
    assert await refusal(channel, "Order", headers) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN")


async def test_health_is_open(channel: Channel) -> None:
    """Who looks whether the server lives has no token."""
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_an_unknown_method_is_unknown(channel: Channel) -> None:
    """It is not the guard that says so."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary("/toy.Shop/Steal")(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_what_the_handler_refuses_is_its_own(channel: Channel, scene: Scene) -> None:
    """The guard changes nothing of what comes from behind it."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, "Order", scene.bearer(), b"refuse")
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "sold out")


async def test_streams_that_run_at_once_know_their_own_callers(channel: Channel, scene: Scene) -> None:
    """Two conversations take turns; each is always answered for its own caller."""
    chat = channel.stream_stream("/toy.Shop/Chat")
    subjects = ("ada", "bob")
    calls = [chat(metadata=tuple(scene.bearer(subject).items())) for subject in subjects]
    for _ in range(3):
        for one, subject in zip(calls, subjects, strict=True):
            await one.write(b"who?")
            assert await one.read() == subject.encode()
    await asyncio.gather(*(one.done_writing() for one in calls))


async def test_calls_one_after_the_other_know_their_own_callers(channel: Channel, scene: Scene) -> None:
    """Nothing of a call stays in the thread that has served it."""
    order = channel.unary_unary("/toy.Shop/Order")
    headers = {subject: tuple(scene.bearer(subject).items()) for subject in ("ada", "bob", "eve")}
    for subject in list(headers) * 5:
        assert await order(b"", metadata=headers[subject]) == subject.encode()


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
async def test_without_an_origin_proofs_are_not_judged(scene: Scene, kind: str) -> None:
    """What a call says of its host is not believed, so tokens that need a proof are refused."""
    guard: Any = RequireToken(scene.verifier, audience=AUDIENCE)
    if kind == "asyncio":
        guard = AsyncRequireToken(scene.async_verifier, audience=AUDIENCE)
    async with serving(guard) as target, grpc.aio.insecure_channel(target) as channel:
        headers = scene.proven("POST", f"http://{target}/toy.Shop/Order")
        assert await refusal(channel, "Order", headers) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN")


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
async def test_a_token_that_is_bound_to_a_certificate_needs_its_connection(scene: Scene, kind: str) -> None:
    """The certificate is that of the connection (RFC 8705, 3), whatever kind of server it ends at."""
    guard: Any = RequireToken(scene.verifier, audience=AUDIENCE)
    if kind == "asyncio":
        guard = AsyncRequireToken(scene.async_verifier, audience=AUDIENCE)
    authority = Authority()
    shop, mine, other = authority.server(), authority.client(), authority.client()
    tls = grpc.ssl_server_credentials([(shop.private_key, shop.chain)], authority.certificate, require_client_auth=True)
    headers = scene.certified(mine.der)
    async with serving(guard, tls) as target:
        for pair, refused in ((mine, None), (other, (grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"))):
            shown = grpc.ssl_channel_credentials(authority.certificate, pair.private_key, pair.chain)
            async with grpc.aio.secure_channel(target, shown) as channel:
                if refused is None:
                    assert await call(channel, "Order", headers) == [b"ada"]
                else:
                    assert await refusal(channel, "Order", headers) == refused
