"""A client's HTTP/2 connection for many requests with the same headers, as cheap as Python can make it."""

import select
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

Answer = tuple[int, bytes, bytes, str]
"""What became of one stream: its id, its data, its trailers as sent, and why it broke off, if it did."""

SILENCE_SECONDS = 10
"""How long the server may say nothing while an answer is due."""

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM = _ACK = 0x1
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _MAX_STREAMS, _INITIAL_WINDOW, _MAX_FRAME = 1, 2, 3, 4, 5
_CANCEL = 0x8

_DEFAULT_WINDOW, _DEFAULT_FRAME = 65_535, 16_384
_LARGEST = 2**31 - 1
_REFILL_AT = 2**24
_READ_SIZE = 65_536

_FRAME = struct.Struct(">HBBBI")  # a 24-bit length has no struct code: its high 16 bits, then its low 8
_SETTING = struct.Struct(">HI")


@dataclass(slots=True)
class _Upload:
    """The part of a request's data that no window has let through yet."""

    rest: memoryview
    window: int


class Connection:
    """Sends requests as streams of one TCP connection and returns the answers that a read completes."""

    def __init__(self, address: tuple[str, int], headers: Mapping[str, str]) -> None:
        # Literals outside the server's table, so that each request may repeat the same bytes.
        block = b"".join(b"\0" + _string(key) + _string(value) for key, value in headers.items())
        if len(block) > _DEFAULT_FRAME:
            raise ValueError(f"the request headers take {len(block)} bytes, more than one frame")
        # Everything before the data is fixed but the stream id and the length: one pack makes it.
        self._opening = struct.Struct(f">5sI{len(block)}sHBBBI")
        self._block = block
        self._headers = _frame(_HEADERS, _END_HEADERS, 0, block)[:5]
        self._outbox: list[bytes | memoryview] = []
        self._inbox = b""
        self._open: dict[int, list[bytes]] = {}
        self._uploads: dict[int, _Upload] = {}
        self._answers: list[Answer] = []
        self._next_stream = 1
        self._window = self._stream_window = _DEFAULT_WINDOW
        self._frame_size = _DEFAULT_FRAME
        self._consumed = 0
        self._settled = False
        self.max_streams = _LARGEST
        self.closing = ""
        """Why no further stream may be opened, or empty."""
        self._socket = socket.create_connection(address, timeout=SILENCE_SECONDS)
        try:
            self._greet()
        except BaseException:  # nobody else has the socket yet, so nobody else would close it
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def submit(self, data: bytes) -> int:
        """Queue one request, which must not be done when `closing`, and return its stream id."""
        stream = self._next_stream
        self._next_stream += 2
        if self._next_stream > _LARGEST:
            self.closing = "the connection has no stream id left"
        self._open[stream] = []
        size = len(data)
        if size <= self._frame_size and size <= self._stream_window and size <= self._window:
            self._window -= size
            length = (size >> 8, size & 255)
            opening = (self._headers, stream, self._block, *length, _DATA, _END_STREAM, stream)
            self._outbox += (self._opening.pack(*opening), data)
        else:
            self._outbox.append(_frame(_HEADERS, _END_HEADERS, stream, self._block))
            self._uploads[stream] = _Upload(memoryview(data), self._stream_window)
        return stream

    def taken(self, stream: int) -> bytes:
        """Take what has come of a stream that goes on; empty when it is over."""
        chunks = self._open.get(stream, [])
        data = b"".join(chunks)
        chunks.clear()
        return data

    def fileno(self) -> int:
        """The socket, for select."""
        return self._socket.fileno()

    def send(self) -> bool:
        """Send what is queued; answer whether the socket took all that the windows allow."""
        if self._uploads:
            self._upload()
        if self._outbox:
            self._flush()
        return not self._outbox

    def exchange(self) -> list[Answer]:
        """Send what is queued, wait for one read, and return what it completed (at times nothing)."""
        if not self.send():
            # The server may read no more until it can write, so a full socket must not keep us from reading.
            readable, writable, _ = select.select([self._socket], [self._socket], [], SILENCE_SECONDS)
            if not readable and writable:
                return []
        try:
            received = self._socket.recv(_READ_SIZE)
        except BlockingIOError:
            silence = f"no byte from the server in {SILENCE_SECONDS} s, {len(self._open)} streams open"
            raise TimeoutError(silence) from None
        if not received:
            raise ConnectionError(f"the server hung up, {len(self._open)} streams open. {self.closing}")
        self._inbox = self._parse(self._inbox + received)
        answers, self._answers = self._answers, []
        return answers

    def _greet(self) -> None:
        """Exchange the preface and the settings: the first request must know the server's limits."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's own timeout saves the poll() that a timeout of Python's puts before every recv().
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", SILENCE_SECONDS, 0))
        settings = {_HEADER_TABLE_SIZE: 0, _ENABLE_PUSH: 0, _INITIAL_WINDOW: _LARGEST}
        payload = b"".join(_SETTING.pack(key, value) for key, value in settings.items())
        self._outbox += (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", _frame(_SETTINGS, 0, 0, payload))
        self._grant(_LARGEST - _DEFAULT_WINDOW)
        while not self._settled:
            self.exchange()

    def _grant(self, size: int) -> None:
        self._outbox.append(_frame(_WINDOW_UPDATE, 0, 0, size.to_bytes(4, "big")))

    def _upload(self) -> None:
        """Queue as much of the requests in waiting as the windows allow, the oldest first."""
        for stream, upload in list(self._uploads.items()):
            while (size := min(len(upload.rest), self._frame_size, upload.window, self._window)) > 0:
                chunk, upload.rest = upload.rest[:size], upload.rest[size:]
                upload.window -= size
                self._window -= size
                flags = 0 if upload.rest else _END_STREAM
                self._outbox += (_frame_head(size, _DATA, flags, stream), chunk)
            if not upload.rest:
                del self._uploads[stream]

    def _flush(self) -> None:
        data = b"".join(self._outbox)
        self._outbox.clear()
        try:
            sent = self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._outbox.append(memoryview(data)[sent:])

    def _parse(self, data: bytes) -> bytes:
        """Take the whole frames out of the bytes and return the rest."""
        start, end = 0, len(data)
        while start + 9 <= end:
            high, low, kind, flags, stream = _FRAME.unpack_from(data, start)
            stop = start + 9 + (high << 8 | low)
            if stop > end:
                if stop - start - 9 > _DEFAULT_FRAME:
                    raise ConnectionError(f"a frame of {stop - start - 9} bytes is longer than was offered")
                break
            payload = data[start + 9 : stop]
            start = stop
            if kind == _DATA:
                self._on_data(stream, flags, payload)
            elif kind == _HEADERS:
                self._on_headers(stream, flags, payload)
            else:
                self._on_control(kind, flags, stream, payload)
        return data[start:]

    def _on_data(self, stream: int, flags: int, payload: bytes) -> None:
        self._consumed += len(payload)
        if self._consumed >= _REFILL_AT:
            self._grant(self._consumed)
            self._consumed = 0
        chunks = self._open.get(stream)
        if chunks is not None:
            chunks.append(_unpadded(payload, flags) if flags & _PADDED else payload)
            if flags & _END_STREAM:
                self._finish(stream, b"", "the stream ended without trailers")

    def _on_headers(self, stream: int, flags: int, payload: bytes) -> None:
        if not flags & _END_HEADERS:
            raise ConnectionError("the server split its headers over frames, which is not supported here")
        if flags & _END_STREAM:
            self._finish(stream, _unpadded(payload, flags), "")

    def _on_control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _WINDOW_UPDATE:
            size = int.from_bytes(payload, "big")
            if not stream:
                self._window += size
            elif stream in self._uploads:
                self._uploads[stream].window += size
        elif kind == _PING and not flags & _ACK:
            self._outbox.append(_frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS and not flags & _ACK:
            self._on_settings(payload)
        elif kind == _RST_STREAM:
            self._uploads.pop(stream, None)
            self._finish(stream, b"", f"RST_STREAM with code {int.from_bytes(payload, 'big')}")
        elif kind == _GOAWAY:
            last, code = struct.unpack_from(">II", payload)
            self.closing = f"GOAWAY with code {code} {payload[8:].decode(errors='replace')}".rstrip()
            for refused in [number for number in self._open if number > last]:
                self._uploads.pop(refused, None)
                self._finish(refused, b"", self.closing)

    def _on_settings(self, payload: bytes) -> None:
        for key, value in _SETTING.iter_unpack(payload):
            if key == _INITIAL_WINDOW:
                for upload in self._uploads.values():
                    upload.window += value - self._stream_window
                self._stream_window = value
            elif key == _MAX_FRAME:
                self._frame_size = value
            elif key == _MAX_STREAMS:
                self.max_streams = value
        self._settled = True
        self._outbox.append(_frame(_SETTINGS, _ACK, 0, b""))

    def _finish(self, stream: int, trailers: bytes, error: str) -> None:
        chunks = self._open.pop(stream, None)
        if chunks is None:
            return  # a frame that crossed the end of its stream
        if self._uploads.pop(stream, None):
            # An answer before the whole request: only a reset ends our half of the stream.
            self._outbox.append(_frame(_RST_STREAM, 0, stream, _CANCEL.to_bytes(4, "big")))
        self._answers.append((stream, b"".join(chunks), trailers, error))


def plain_header(block: bytes, name: str) -> str:
    """Return a header's value, or nothing if it is long or not plain; gRPC's core sends its own plain."""
    rest = block.partition(_string(name))[2]
    if not rest or rest[0] >= 127:
        return ""
    return rest[1 : 1 + rest[0]].decode(errors="replace")


def _frame_head(size: int, kind: int, flags: int, stream: int) -> bytes:
    return _FRAME.pack(size >> 8, size & 255, kind, flags, stream)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _frame_head(len(payload), kind, flags, stream) + payload


def _unpadded(payload: bytes, flags: int) -> bytes:
    if flags & _PADDED:
        payload = payload[1 : len(payload) - payload[0]]
    return payload[5:] if flags & _PRIORITY else payload


def _string(text: str) -> bytes:
    """Encode a string as HPACK does without Huffman."""
    data = text.encode("ascii")
    length = len(data)
    if length < 127:
        return bytes((length,)) + data
    prefix, length = bytearray((127,)), length - 127
    while length >= 128:
        prefix.append(length & 127 | 128)
        length >>= 7
    return bytes(prefix) + bytes((length,)) + data
