"""The signer's way to the egress: a chunk goes over whole, or it certainly did not go. News comes back on it.

The egress acts on complete frames only. A write that fails has left the frame incomplete, however many bytes of it
arrived; so a failed `forward` is certain: nothing of the chunk was or will be sent. A write that succeeded has put
the whole frame into the kernel's hands, and whether the egress lived to read it is not known here. Who sent the chunk
knows: its own connection to the egress breaks with the egress, and then every row without a result is unsure.

Prices, and what a venue did not execute, are believed on this connection alone, which the signer has made itself to a
process of a known user.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

from citadel.domain.frames import BadFrame, FrameTooLarge, Splitter, pack
from citadel.processes import peer_uid

Watch = Callable[[int, Callable[[], None]], None]
Unwatch = Callable[[int], None]


class EgressLink:
    """A connection to the egress, made when it is needed and made again when it broke.

    :param hear: called with the body of each frame that comes back; may raise BadFrame
    :param uids: users the egress may be of
    :param timeout: seconds a write may wait for an egress that does not read; the signer does nothing else meanwhile
    :param rest: seconds without a further attempt after such a wait
    """

    def __init__(
        self,
        path: Path,
        *,
        hear: Callable[[bytes], None],
        uids: frozenset[int],
        timeout: float = 0.25,
        rest: float = 0.25,
    ) -> None:
        self._path, self._hear, self._uids = str(path), hear, uids
        self._timeout, self._rest = timeout, rest
        self._socket: socket.socket | None = None
        self._splitter = Splitter()
        self._resting_until = 0.0
        self._watch: Watch = lambda fd, call: None
        self._unwatch: Unwatch = lambda fd: None
        self.connects = 0

    def attend(self, watch: Watch, unwatch: Unwatch) -> None:
        """Have what comes back read by a loop that watches file descriptors."""
        self._watch, self._unwatch = watch, unwatch

    def keep(self) -> None:
        """Connect where there is no connection, so that prices are known before the first order."""
        if self._socket is None and time.monotonic() >= self._resting_until:
            self._connect()

    def forward(self, frame: bytes) -> bool:
        """True: the frame is in the kernel's hands, whole. False: the egress cannot act on it, ever."""
        if time.monotonic() < self._resting_until:
            return False
        for _ in range(2):  # an old connection may have died unnoticed; the second attempt is on a new one
            connection = self._socket or self._connect()
            if connection is None:
                return False
            try:
                connection.sendall(frame)
            except TimeoutError:
                self._drop()
                self._resting_until = time.monotonic() + self._rest
                return False
            except OSError:
                self._drop()
            else:
                return True
        return False

    def close(self) -> None:
        self._drop()

    def _connect(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        connection.settimeout(self._timeout)
        try:
            connection.connect(self._path)
            if peer_uid(connection) not in self._uids:
                raise PermissionError
            connection.sendall(pack({"op": "attach", "id": 0}))
        except OSError:
            connection.close()
            return None
        self.connects += 1
        self._socket, self._splitter = connection, Splitter()
        self._watch(connection.fileno(), self._read)
        return connection

    def _read(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 20, socket.MSG_DONTWAIT)
        except (BlockingIOError, TimeoutError):
            return
        except OSError:
            data = b""
        try:
            bodies = self._splitter.feed(data)
            for body in bodies:
                self._hear(body)
        except (FrameTooLarge, BadFrame):
            data = b""  # an egress that makes no sense is asked anew
        if not data:
            self._drop()

    def _drop(self) -> None:
        if self._socket is not None:
            self._unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = None
