"""The signer's way to the egress: a chunk goes over whole, or it certainly did not go.

The egress acts on complete frames only. A write that fails has left the frame incomplete, however many bytes of it
arrived; so a failed `forward` is certain: nothing of the chunk was or will be sent. A write that succeeded has put
the whole frame into the kernel's hands, and whether the egress lived to read it is not known here. Who sent the chunk
knows: its own connection to the egress breaks with the egress, and then every row without a result is unsure.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path


class EgressLink:
    """A connection to the egress, made when it is needed and made again when it broke.

    :param timeout: seconds a write may wait for an egress that does not read; the signer does nothing else meanwhile
    :param rest: seconds without a further attempt after such a wait
    """

    def __init__(self, path: Path, *, timeout: float = 0.25, rest: float = 0.25) -> None:
        self._path = str(path)
        self._timeout, self._rest = timeout, rest
        self._socket: socket.socket | None = None
        self._resting_until = 0.0
        self.connects = 0

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
        except OSError:
            connection.close()
            return None
        self.connects += 1
        self._socket = connection
        return connection

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
