"""Leaving a port."""

import asyncio
import socket

import pytest

from tokensvc.cli import sockets


async def test_handing_over_accepts_what_has_begun_and_nothing_new() -> None:
    """A connection that waits to be accepted still is, one that comes later is not, and then nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        handing_over = asyncio.create_task(sockets.hand_over([port], others=1))
        with socket.create_connection(("127.0.0.1", port)) as waiting, socket.socket() as late:
            await asyncio.sleep(0)  # from here on nothing new is taken
            late.setblocking(False)
            late.connect_ex(("127.0.0.1", port))
            accepted, peer = listener.accept()
            with accepted:
                assert peer == waiting.getsockname()
                with pytest.raises(BlockingIOError):
                    listener.accept()
                await handing_over
                assert sockets.connections([port]) == 1
                accepted.send(b"x")
                assert waiting.recv(1) == b"x"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_connections_are_counted_at_their_own_port_alone() -> None:
    """Neither the listening socket nor the client's end of a connection is one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert sockets.connections([port]) == 0
        with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0]:
            assert sockets.connections([port]) == 1
            assert sockets.connections([client.getsockname()[1]]) == 1
        assert sockets.connections([port]) == 0
