"""A server with a certificate: what it speaks, and how its certificate is replaced while it serves."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from tests.certificates import Authority
from tests.harness import Caller, Service
from tests.rpc.faults import through
from tests.rpc.secured import Secured, handshake, secured, tls_context
from tests.rpc.steps import introspect, issue, refresh

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.fixture
async def server(service: Service, tmp_path: Path) -> AsyncIterator[Secured]:
    """A server that shows a certificate and wants none."""
    async with secured(service, tmp_path) as running:
        yield running


async def test_calls_go_through_tls(server: Secured, bff: Caller) -> None:
    """A caller that knows the authority is served as in plaintext."""
    async with server.channel() as channel:
        caller = through(bff, channel)
        assert (await introspect(caller, (await issue(caller)).access_token)).active


@pytest.mark.parametrize("version", VERSIONS)
async def test_tls_1_2_and_1_3_are_spoken_with_h2(server: Secured, version: ssl.TLSVersion) -> None:
    """Both versions are taken, and ALPN chooses HTTP/2."""
    done = await handshake(server.port, tls_context(version))
    assert (done.version, done.protocol, done.is_served) == (version.name.replace("_", "."), "h2", True)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_older_versions_are_refused(server: Secured, version: ssl.TLSVersion) -> None:
    """With TLS 1.1 or 1.0 there is no handshake."""
    with pytest.raises(OSError, match=r"(?i)eof|alert|reset"):
        await handshake(server.port, tls_context(version))


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)], ids=["none", "http/1.1"])
async def test_nothing_but_h2_is_served(server: Secured, protocols: tuple[str, ...]) -> None:
    """A client that does not name h2 hears nothing."""
    assert not (await handshake(server.port, tls_context(protocols=protocols))).is_served


async def test_plaintext_is_not_served_there(server: Secured, bff: Caller) -> None:
    """A secret that is sent in plaintext to the port by mistake is not answered."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await issue(through(bff, channel).within(2))
    assert failed.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


async def test_a_new_certificate_is_for_new_connections(server: Secured, bff: Caller) -> None:
    """Who connects after the files were replaced sees the new certificate; an open connection goes on."""
    async with server.channel() as channel:
        caller = through(bff, channel)
        token = (await issue(caller)).access_token
        replacement = server.authority.server()
        server.replace_certificate(replacement)
        assert (await handshake(server.port, tls_context())).certificate == replacement.der
        assert (await introspect(caller, token)).active


async def test_a_key_of_another_certificate_changes_nothing(server: Secured, bff: Caller) -> None:
    """Where the files do not fit each other, new connections see the certificate from before."""
    before = (await handshake(server.port, tls_context())).certificate
    cert_file, _ = server.authority.server().write(tmp_path := server.directory, "other")
    server.stopwatch.now += 1
    cert_file.rename(tmp_path / "server.crt")
    assert (await handshake(server.port, tls_context())).certificate == before
    async with server.channel() as channel:
        assert (await issue(through(bff, channel))).access_token


async def use(caller: Caller, ended: asyncio.Event) -> int:
    """Issue, introspect and refresh until `ended`; any failure comes out. Answer how many calls there were."""
    issued = await issue(caller)
    access_token, refresh_token, calls = issued.access_token, issued.refresh_token, 1
    while not ended.is_set():
        assert (await introspect(caller, access_token)).active
        refreshed = await refresh(caller, refresh_token)
        access_token, refresh_token, calls = refreshed.access_token, refreshed.refresh_token, calls + 2
    return calls


async def test_certificates_follow_each_other_under_load(server: Secured, bff: Caller) -> None:
    """Four times the certificate is replaced, and no call fails, on connections from before or from then.

    New connections see the new certificate at once.
    """
    ended = asyncio.Event()
    load: list[asyncio.Task[int]] = []
    async with AsyncExitStack() as stack:

        async def more_callers() -> None:
            for _ in range(3):
                caller = through(bff, await stack.enter_async_context(server.channel()))
                load.append(asyncio.create_task(use(caller, ended)))

        await more_callers()
        for _ in range(4):
            replacement = server.authority.server()
            server.replace_certificate(replacement)
            await more_callers()
            assert (await handshake(server.port, tls_context())).certificate == replacement.der
        ended.set()
        assert min(await asyncio.gather(*load)) >= 1


HELLO = bytes.fromhex("16030100c8010000c40303")
"""The beginning of what a client says first, which promises more."""


@pytest.mark.parametrize("said", [b"", HELLO, b"GET / HTTP/1.1\r\n\r\n"], ids=["silent", "half", "other"])
async def test_case_50_handshakes_that_do_not_go_on_disturb_nobody(server: Secured, bff: Caller, said: bytes) -> None:
    """Beside a hundred connections that never finish their handshake others are served, and the server can stop."""
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(100)]
    for _, writer in silent:
        writer.write(said)
    async with server.channel() as channel:
        assert (await issue(through(bff, channel).within(5))).access_token
    await asyncio.wait_for(server.server.stop(grace=600), timeout=30)
    for _, writer in silent:
        writer.close()


async def test_a_client_does_not_believe_another_authority(server: Secured, bff: Caller) -> None:
    """The certificate can be verified: who trusts another authority does not send its secret."""
    server.authority = Authority("another one")
    async with server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await issue(through(bff, channel))
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
