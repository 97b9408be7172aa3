"""A caller that writes HTTP/2 frames by hand, and so can do what no library does."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
CANCEL = struct.pack(">I", 8)
NO_WINDOW = struct.pack(">HI", 4, 0)
"""The setting by which nothing may be sent to us."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header without indexing and without Huffman code (RFC 7541, 6.2.2)."""
    return b"\0" + _text(name) + _text(value)


def _text(text: str) -> bytes:
    data, most = text.encode(), 127
    if len(data) < most:
        return bytes([len(data)]) + data
    length, rest = bytearray([most]), len(data) - most
    while rest > most:
        length.append(rest & most | 128)
        rest >>= 7
    return bytes(length) + bytes([rest]) + data


def opening(stream: int, method: str, metadata: Mapping[str, str], flags: int = END_HEADERS) -> bytes:
    """The HEADERS frame that begins a call of `method`, as in "TokenService/Issue"."""
    headers = {":method": "POST", ":scheme": "http", ":authority": "localhost", ":path": f"/tokensvc.v1.{method}"}
    headers |= {"te": "trailers", "content-type": "application/grpc", **metadata}
    return frame(HEADERS, flags, stream, b"".join(literal(name, value) for name, value in headers.items()))


def message(stream: int, data: bytes) -> bytes:
    """The DATA frame with a whole request, which ends it."""
    return frame(DATA, END_STREAM, stream, struct.pack(">BI", 0, len(data)) + data)


@dataclass
class Attacker:
    """A connection; what the server says is read and dropped, or not even read."""

    writer: asyncio.StreamWriter

    async def send(self, *frames: bytes) -> bool:
        """Send frames; answer whether the server still listens."""
        try:
            self.writer.write(b"".join(frames))
            async with asyncio.timeout(10):
                await self.writer.drain()
        except (ConnectionError, TimeoutError):
            return False
        return not self.writer.is_closing()


@asynccontextmanager
async def attacker(port: int, *, settings: bytes = b"", reads: bool = True) -> AsyncIterator[Attacker]:
    """Connect and greet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(_drop(reader)) if reads else None
    writer.write(_PREFACE + frame(SETTINGS, 0, 0, settings))
    try:
        yield Attacker(writer)
    finally:
        if reading:
            reading.cancel()
        await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Cut the connection."""
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _drop(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass
