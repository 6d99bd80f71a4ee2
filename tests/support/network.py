"""Tests speak to this machine alone: any other address is refused before a byte leaves."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


class NetworkIsClosed(RuntimeError):
    """A test wanted to reach another machine."""


def close() -> None:
    """Refuse, in this process, every connection that is not loopback or a unix socket."""

    def connect(self: socket.socket, address: Any) -> Any:
        _check(self, address)
        return _connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> Any:
        _check(self, address)
        return _connect_ex(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]


def _check(self: socket.socket, address: Any) -> None:
    if self.family == socket.AF_UNIX or not isinstance(address, tuple) or address[0] == "localhost":
        return
    try:
        if ipaddress.ip_address(address[0]).is_loopback:
            return
    except ValueError:
        pass  # a name that is not "localhost" is another machine
    raise NetworkIsClosed(f"a test tried to connect to {address!r}")
