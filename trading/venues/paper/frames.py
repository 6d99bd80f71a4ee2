"""WebSocket frames (RFC 6455), server side, over a transport that an HTTP upgrade left behind."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from collections.abc import Callable

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MAX_MESSAGE = 1 << 20
MAX_BACKLOG = 8 << 20  # a client that reads slower than this is cut off
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept(key: bytes) -> bytes:
    """The HTTP answer that turns the connection into a WebSocket."""
    token = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n"
    )


def frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def unmask(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    if not size:
        return payload
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(pattern, "little")).to_bytes(size, "little")


class Socket:
    """One open WebSocket. `on_text` gets whole messages; `on_close` runs once, however it ends.

    A muted socket stays open and says nothing ever again, not even a pong: a half-open connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.on_text: Callable[[bytes], None] = lambda _: None
        self.on_close: list[Callable[[], None]] = []
        self.muted = self.closed = False
        self.heard = 0.0
        self._buffer = b""
        self._parts: list[bytes] = []

    def send(self, text: bytes) -> None:
        if self.muted or self.closed:
            return
        if self.transport.get_write_buffer_size() > MAX_BACKLOG:
            self.abort()
            return
        self.transport.write(frame(TEXT, text))

    def ping(self, payload: bytes) -> None:
        if not self.muted and not self.closed:
            self.transport.write(frame(PING, payload))

    def close(self, code: int = 1000) -> None:
        if not self.closed and not self.muted:
            self.transport.write(frame(CLOSE, struct.pack("!H", code)))
            self.transport.close()
        self.gone()

    def abort(self) -> None:
        self.transport.abort()
        self.gone()

    def gone(self) -> None:
        if not self.closed:
            self.closed = True
            for call in self.on_close:
                call()

    def feed(self, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        self._buffer += data
        while not self.closed:
            found = self._next()
            if found is None:
                return
            self._take(*found)

    def _next(self) -> tuple[bool, int, bytes] | None:
        data = self._buffer
        if len(data) < 2:
            return None
        final, opcode, masked, size, at = bool(data[0] & 0x80), data[0] & 0x0F, data[1] & 0x80, data[1] & 0x7F, 2
        if not masked or data[0] & 0x70:
            self.close(1002)
            return None
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(data) < 2 + wide:
                return None
            size, at = int.from_bytes(data[2 : 2 + wide], "big"), 2 + wide
        if size > MAX_MESSAGE:
            self.close(1009)
            return None
        if len(data) < at + 4 + size:
            return None
        payload = unmask(data[at + 4 : at + 4 + size], data[at : at + 4])
        self._buffer = data[at + 4 + size :]
        return final, opcode, payload

    def _take(self, final: bool, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            if not self.muted:
                self.transport.write(frame(PONG, payload))
        elif opcode == CLOSE:
            self.close(int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1000)
        elif opcode in (TEXT, BINARY, 0):
            self._parts.append(payload)
            if sum(map(len, self._parts)) > MAX_MESSAGE:
                self.close(1009)
            elif final:
                message, self._parts = b"".join(self._parts), []
                if not self.muted:
                    self.on_text(message)
        elif opcode != PONG:
            self.close(1002)
