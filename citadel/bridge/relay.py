"""Bytes between a TLS connection and a unix socket: what one side does not read, the other is not read for."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import cast

from citadel.domain.frames import BadFrame, FrameTooLarge, Splitter, unpack

LINGER = 5.0
"""Seconds that one side has to take what is left for it when the other has gone."""

_LENGTH = struct.Struct("<I")

Sift = Callable[[bytes], bytes]


class NotForWorkers(ValueError):
    """A frame asks for what only the signer may, on its own machine. Correct the sender; the connection is closed."""

    code = "not_for_workers"


class Gate:
    """Lets whole, well-formed frames through and nothing else.

    `ops` is what may be asked, None: everything. At first it is nothing.
    """

    def __init__(self) -> None:
        self.ops: frozenset[str] | None = frozenset()
        self._splitter = Splitter()

    def sift(self, data: bytes) -> bytes:
        """The frames that are complete with `data`. What is left waits for more.

        :raises FrameTooLarge: a frame announces more than a frame may have
        :raises BadFrame: a frame is none
        :raises NotForWorkers: a frame asks for what may not be asked
        """
        out = []
        for body in self._splitter.feed(data):
            op = unpack(body).get("op")
            if self.ops is not None and (not isinstance(op, str) or op not in self.ops):
                raise NotForWorkers
            out += [_LENGTH.pack(len(body)), body]
        return b"".join(out)


class Relay:
    """Two ends that share their life: `far` over TLS, which is there first, and `near` on this machine.

    Nothing is read from `far` before `near` is there. Neither end is read from while the other is not taking what it
    has; so no more waits here than one frame, one read and the transports' own marks.

    :param over: called once, when both ends have gone or one has and the other was never there
    :param sift: what of the bytes of `far` goes on
    """

    def __init__(self, *, over: Callable[[Relay], None], sift: Sift | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = over
        self.ended = False
        self.last = self._loop.time()
        self.why: str | None = None
        """Why it was cut, by us; None: one of the ends went."""
        self.carried = [0, 0]
        """Bytes that came from `far` and from `near`."""
        self.far = Side(self, 0, sift)
        self.near = Side(self, 1, None)
        self.far.mate, self.near.mate = self.near, self.far

    def came(self, index: int, size: int) -> None:
        self.last = self._loop.time()
        self.carried[index] += size

    def cut(self, why: str) -> None:
        """End it at once. What waits in it is gone, and both ends learn that."""
        self.why = self.why or why
        for side in (self.far, self.near):
            if side.transport is not None:
                side.transport.abort()

    def gone(self, side: Side) -> None:
        """One end went. The other is given what is left for it, if it takes it soon."""
        mate = side.mate.transport
        if mate is not None and not side.mate.lost:
            mate.close()
            self._loop.call_later(LINGER, mate.abort)
        elif not self.ended:
            self.ended = True
            self._over(self)


class Side(asyncio.Protocol):
    """One end of a relay."""

    mate: Side

    def __init__(self, relay: Relay, index: int, sift: Sift | None) -> None:
        self._relay, self._index, self._sift = relay, index, sift
        self.transport: asyncio.Transport | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.mate.transport is None:
            self.transport.pause_reading()
        elif (waiting := self.mate.living()) is None:
            self.transport.abort()
        else:
            waiting.resume_reading()

    def living(self) -> asyncio.Transport | None:
        """The transport, as long as something can be done with it."""
        transport = self.transport
        return None if transport is None or self.lost or transport.is_closing() else transport

    def data_received(self, data: bytes) -> None:
        self._relay.came(self._index, len(data))
        if self._sift is not None:
            try:
                data = self._sift(data)
            except (FrameTooLarge, BadFrame, NotForWorkers) as error:
                self._relay.cut(error.code)
                return
        onward = self.mate.living()
        if onward is not None and data:
            onward.write(data)

    def pause_writing(self) -> None:
        source = self.mate.living()
        if source is not None:
            source.pause_reading()

    def resume_writing(self) -> None:
        source = self.mate.living()
        if source is not None:
            source.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._relay.gone(self)
