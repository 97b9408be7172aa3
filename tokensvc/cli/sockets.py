"""Owns the sockets of the server's address: trying it, keeping it for workers, leaving it without a loss."""

import array
import asyncio
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tokensvc.cli.addresses import Address
from tokensvc.cli.failures import CommandError

_HANDSHAKE_SECONDS = 0.25

_Program = tuple[tuple[int, int, int, int], ...]  # classic BPF: what a socket filter is written in

_SO_ATTACH_FILTER, _SO_ATTACH_REUSEPORT_CBPF = 26, 51
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_FLAGS_OF_TCP, _SYN = 13, 0x02
_DROP_SYN: _Program = (
    (_LOAD_BYTE, 0, 0, _FLAGS_OF_TCP),
    (_JUMP_IF_SET, 1, 0, _SYN),
    (_RETURN, 0, 0, 0xFFFF_FFFF),  # keep all of the segment
    (_RETURN, 0, 0, 0),  # keep nothing
)


def probe(address: Address) -> None:
    """Bind and let go again, because gRPC does not tell why it cannot; fails with CommandError."""
    _bound(address).close()


@contextmanager
def reserved(address: Address) -> Iterator[Address]:
    """Keep `address` for the workers of this user; answer it with the port that it has got. Nothing listens there yet.

    Fails with CommandError, also where a server listens already that would share the port.
    """
    if address.port:
        probe(address)
    with _bound(address, (socket.SO_REUSEPORT,)) as kept:
        yield Address(address.host, kept.getsockname()[1])


def _bound(address: Address, options: tuple[int, ...] = ()) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            for option in (socket.SO_REUSEADDR, *options):
                bound.setsockopt(socket.SOL_SOCKET, option, 1)
            bound.bind(place)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise CommandError(f"cannot listen on {address}: {error.strerror}") from error
    return bound


async def hand_over(ports: Sequence[int], others: int) -> None:
    """Leave `ports`, on which `others` listen too, so that every connection that has begun is accepted.

    Closing a listening socket resets the connections that wait in it to be accepted. So the kernel is told first to
    give new ones to the listener that came last. Should it know another number of listeners than we do, it goes on to
    choose as before: then this one ignores what it is given, and the client knocks again after a second.
    """
    for listener in _listeners(ports):
        _attach(listener, _SO_ATTACH_REUSEPORT_CBPF, ((_RETURN, 0, 0, others),))
        _attach(listener, _SO_ATTACH_FILTER, _DROP_SYN)
    await asyncio.sleep(_HANDSHAKE_SECONDS)
    leave(ports)


def leave(ports: Sequence[int]) -> None:
    """Close what this process listens with on `ports`; gRPC goes on to serve the connections that it has."""
    for listener in _listeners(ports):
        with socket.socket() as nothing:
            # gRPC still holds the descriptor and will close it. Were the socket shut down instead, gRPC would take
            # that for an error, and write so to standard error in a form of its own.
            os.dup2(nothing.fileno(), listener.fileno(), inheritable=False)


def connections(ports: Sequence[int]) -> int:
    """How many connections to `ports` this process has."""
    return sum(1 for _ in _sockets(ports, listening=False))


def _listeners(ports: Sequence[int]) -> Iterator[socket.socket]:
    return _sockets(ports, listening=True)


def _sockets(ports: Sequence[int], *, listening: bool) -> Iterator[socket.socket]:
    """The TCP sockets of this process on its own `ports`, each lent for one step: gRPC owns them, and names none."""
    descriptors = Path("/proc/self/fd")
    for descriptor in tuple(descriptors.iterdir()) if descriptors.exists() else ():  # Linux alone has them
        with suppress(OSError):  # something else than a socket, or just closed
            lent = socket.socket(fileno=int(descriptor.name))
            try:
                is_tcp = lent.family in (socket.AF_INET, socket.AF_INET6) and lent.type == socket.SOCK_STREAM
                if is_tcp and lent.getsockname()[1] in ports and _listens(lent) == listening:
                    yield lent
            finally:
                lent.detach()


def _listens(found: socket.socket) -> bool:
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _attach(listener: socket.socket, option: int, program: _Program) -> None:
    code = array.array("B", b"".join(struct.pack("HBBI", *step) for step in program))
    place, _ = code.buffer_info()
    with suppress(OSError):  # a sandbox may have no filters: then some connections are reset
        listener.setsockopt(socket.SOL_SOCKET, option, struct.pack("@HP", len(program), place))
