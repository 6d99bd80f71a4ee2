"""A worker's side: the vault's two sockets on a machine without a vault, each connection carried over one of TLS.

A connection is read from once its way to the vault is open. When the way breaks, it is closed, and nothing is sent
again: what a worker wrote may have arrived or not, which is what a closed connection tells it (citadel.chunks).

Reads from the environment:

OBSCURA_RUN                 directory in which signer.sock and egress.sock are made (0600)
OBSCURA_BRIDGE_VAULT        host:port of the vault's machine; an IPv6 address in brackets
OBSCURA_BRIDGE_AUTHORITY    our authority's certificate (PEM; more than one while it is being replaced)
OBSCURA_BRIDGE_CERTIFICATE  certificate of this machine, of the role worker (PEM)
OBSCURA_BRIDGE_KEY          its key (PEM)
OBSCURA_BRIDGE_REVOKED      serial numbers that are refused, one a line in hex; default: none are
OBSCURA_BRIDGE_UIDS         callers besides our own user
OBSCURA_BRIDGE_CONNECTIONS  open at a time, and as many on their way, default 200
OBSCURA_BRIDGE_HANDSHAKE_S  seconds that connecting and the handshake may take, default 5
OBSCURA_BRIDGE_IDLE_S       seconds without a byte after which a connection is cut, default 900
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from citadel import processes
from citadel.bridge import identity
from citadel.bridge.relay import Relay
from citadel.bridge.running import Bounds, Hall, reason, tune, until_stopped

_SHUTDOWN_S = 2.0


class Refused(OSError):
    """The other end is not our vault, or there is no room."""


class Connect:
    """Two listeners, each for one of the vault's sockets.

    :raises citadel.bridge.identity.CertificatesUnusable: the environment names none
    :raises citadel.bridge.identity.RevokedUnreadable: a list is named and cannot be read
    """

    def __init__(self, *, directory: Path, address: tuple[str, int], bounds: Bounds, log: processes.Log) -> None:
        self._address, self._bounds = address, bounds
        self._uids = processes.allowed_uids("OBSCURA_BRIDGE_UIDS")
        self._contexts = {protocol: identity.client_context(protocol) for protocol in identity.SOCKETS}
        named = os.environ.get("OBSCURA_BRIDGE_REVOKED")
        self._revoked = identity.Revoked(Path(named)) if named else None
        self._hall = Hall(bounds=bounds, revoked=self._revoked, log=log)
        self._paths = {protocol: directory / f"{name}.sock" for protocol, name in identity.SOCKETS.items()}

    async def run(self, log: processes.Log) -> None:
        listeners = {protocol: processes.listen(path) for protocol, path in self._paths.items()}
        log.line("start", pid=os.getpid())
        await until_stopped(
            self._hall.tick,
            *(self._hall.accept(listener, self._taker(protocol)) for protocol, listener in listeners.items()),
        )
        for path in self._paths.values():
            path.unlink(missing_ok=True)

    def _taker(self, protocol: str) -> Callable[[socket.socket], Coroutine[Any, Any, None]]:
        async def take(connection: socket.socket) -> None:
            connection.setblocking(False)
            uid = processes.peer_uid(connection)
            if uid not in self._uids or self._hall.full:
                self._hall.refusals.line("refused", why="too_many" if uid in self._uids else "uid", uid=uid)
                connection.close()
                return
            relay = Relay(over=self._hall.over)
            try:
                async with asyncio.timeout(self._bounds.handshake_s):
                    await self._reach(relay, protocol)
                await asyncio.get_running_loop().connect_accepted_socket(lambda: relay.near, connection)
            except OSError as error:
                self._hall.refusals.line("vault_unreachable", protocol=protocol, error=reason(error))
                relay.cut("unreachable")
                connection.close()

        return take

    async def _reach(self, relay: Relay, protocol: str) -> None:
        """Open the way to the vault, and make sure that it is the vault before a byte of ours goes there.

        :raises OSError: it is not open
        """
        loop, context = asyncio.get_running_loop(), self._contexts[protocol]
        transport, _ = await loop.create_connection(
            lambda: relay.far,
            sock=await self._dial(),
            ssl=context,
            server_hostname="",  # who it is stands in its certificate
            ssl_handshake_timeout=self._bounds.handshake_s,
            ssl_shutdown_timeout=_SHUTDOWN_S,
        )
        connection: ssl.SSLObject = transport.get_extra_info("ssl_object")
        other = identity.peer(connection)
        why = identity.why_not(other, role=identity.VAULT, protocols=frozenset({protocol}), revoked=self._revoked)
        if why is not None:
            self._hall.refusals.line("vault_refused", why=why, name=other.name, serial=f"{other.serial:x}")
            raise Refused
        if self._hall.full or not self._hall.enter(relay, other):
            raise Refused

    async def _dial(self) -> socket.socket:
        loop, last = asyncio.get_running_loop(), OSError()
        host, port = self._address
        for family, kind, proto, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            connection = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, proto)
            try:
                tune(connection)
                await loop.sock_connect(connection, address)
            except OSError as error:
                connection.close()
                last = error
            except asyncio.CancelledError:
                connection.close()
                raise
            else:
                return connection
        raise last
