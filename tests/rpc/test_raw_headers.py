"""Header bytes that no gRPC library sends, written to the socket by hand."""

import asyncio
import struct

import pytest

from tests.harness import Caller, Service
from tests.rpc.steps import issue
from tests.rpc.tables import tables_of

_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4
_PSEUDO = {b":method": b"POST", b":scheme": b"http", b":authority": b"localhost"}
_PATH = {b":path": b"/tokensvc.v1.TokenService/Issue", b"te": b"trailers", b"content-type": b"application/grpc"}


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header without indexing and without Huffman code (RFC 7541, 6.2.2); shorter than 127 bytes."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


async def answer_to(port: int, authorization: bytes) -> bytes:
    """Call Issue with these bytes as the header; the first and last HEADERS frame of the answer, as it came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    headers = {**_PSEUDO, **_PATH, b"authorization": authorization}
    block = b"".join(_literal(name, value) for name, value in headers.items())
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b""))
    writer.write(_frame(_HEADERS, _END_HEADERS, 1, block) + _frame(_DATA, _END_STREAM, 1, bytes(5)))
    try:
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == _HEADERS:
                return payload
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "header",
    [
        b"Basic \xff\xfe",
        "Basic é".encode(),
        b"\xc3\xa9",
        b"Basic YTpi\x00",
        b"Basic YTpi\r\nx-forged: 1",
        b"\x7f\x1b[2J",
    ],
    ids=repr,
)
async def test_bytes_that_are_no_text_are_refused_alike(service: Service, bff: Caller, header: bytes) -> None:
    """A header that is not ASCII, or has control characters, gets the very bytes that wrong credentials get."""
    before = tables_of(service)
    refused = await answer_to(service.port, header)
    assert refused == await answer_to(service.port, b"Basic d3Jvbmc6d3Jvbmc=")
    assert b"the caller is not authenticated" in refused
    assert tables_of(service) == before
    assert (await issue(bff)).access_token
