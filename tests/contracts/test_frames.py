"""WebSocket frames on the wire: pieces, masks, sizes, and what is not allowed."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator

import pytest

from .support import Venue

HELLO = (
    b"GET /ws HTTP/1.1\r\nHost: stream.binance.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ASK = json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}).encode()


@pytest.fixture
def line(venue: Venue) -> Iterator[socket.socket]:
    """An upgraded connection; the accept token is the one the standard gives for this key."""
    with socket.create_connection(("127.0.0.1", venue.ports["http"]), timeout=5) as made:
        made.sendall(HELLO)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += made.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
        yield made


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    mask, size = b"\x9a\x02\xf3\x47", len(payload)
    length = bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0xFE, size)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([(0x80 if final else 0) | opcode]) + length + mask + masked


def read(line: socket.socket) -> tuple[int, bytes]:
    head = line.recv(2)
    payload = b""
    while len(payload) < head[1]:
        payload += line.recv(head[1] - len(payload))
    return head[0] & 0x0F, payload


def test_a_message_in_pieces_with_a_ping_between_them(line: socket.socket) -> None:
    for byte in frame(1, ASK[:10], final=False) + frame(9, b"still there?"):
        line.sendall(bytes([byte]))
    assert read(line) == (10, b"still there?")
    line.sendall(frame(0, ASK[10:]))
    assert read(line) == (1, b'{"result":[],"id":1}')


def test_a_longer_message(line: socket.socket) -> None:
    line.sendall(frame(1, ASK + b" " * 1_000))
    assert read(line) == (1, b'{"result":[],"id":1}')


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (frame(3, b""), 1002),
        (b"\x81\xff" + struct.pack("!Q", 1 << 40) + b"mask", 1009),
        (frame(8, struct.pack("!H", 1000)), 1000),
    ],
)
def test_what_is_not_allowed_closes_the_socket(line: socket.socket, sent: bytes, code: int) -> None:
    line.sendall(sent)

    assert read(line) == (8, struct.pack("!H", code))
    assert line.recv(1) == b""
