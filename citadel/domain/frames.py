"""Frames of the vault's unix sockets: four bytes of little-endian length, then one msgpack map."""

from __future__ import annotations

import struct
from typing import Any

import msgpack

MAX_FRAME = 4 << 20
"""Bytes a frame may have, without its length. A peer that announces more is not spoken to any further."""

Message = dict[str, Any]

_LENGTH = struct.Struct("<I")


class FrameTooLarge(ValueError):
    """More bytes than a frame may have. Send less at a time; the connection that announced it is closed."""

    code = "frame_too_large"


class BadFrame(ValueError):
    """The bytes of a frame are not one msgpack map with text keys. Correct the sender; the connection stays good."""

    code = "bad_frame"


def pack(message: Message) -> bytes:
    """One frame. Text travels as text, bytes as bytes.

    :raises FrameTooLarge: the message has more than `MAX_FRAME` bytes
    """
    body: bytes = msgpack.packb(message, use_bin_type=True)
    if len(body) > MAX_FRAME:
        raise FrameTooLarge
    return _LENGTH.pack(len(body)) + body


def unpack(body: bytes | memoryview) -> Message:
    """The map in one frame's body; arrays come out as lists.

    :raises BadFrame: for anything else, whatever the bytes are
    """
    try:
        message = msgpack.unpackb(body, raw=False, strict_map_key=True)
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError):
        # Without the cause: an error that quotes what was in the frame has no business in a log.
        raise BadFrame from None
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise BadFrame
    return message


class Splitter:
    """Cuts a stream of bytes into the bodies of frames."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are complete with `data`. What is left waits for more.

        :raises FrameTooLarge: a frame announces more than `MAX_FRAME` bytes; the stream is of no use from there on
        """
        rest = self._rest
        rest += data
        bodies: list[bytes] = []
        at, end = 0, len(rest)
        while end - at >= 4:
            (length,) = _LENGTH.unpack_from(rest, at)
            if length > MAX_FRAME:
                raise FrameTooLarge
            if end - at - 4 < length:
                break
            bodies.append(bytes(rest[at + 4 : at + 4 + length]))
            at += 4 + length
        if at:
            del rest[:at]
        return bodies

    @property
    def waiting(self) -> int:
        """Bytes of an incomplete frame."""
        return len(self._rest)
