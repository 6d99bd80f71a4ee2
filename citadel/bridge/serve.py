"""The vault's side: takes workers over TLS and passes their frames to the signer and the egress of this machine.

A client reaches what it asks for in the handshake (ALPN obscura-signer/1 or obscura-egress/1), if the URI
obscura:worker, and no other of ours, stands in its certificate. Whole frames go on, and only what a worker may ask:
what is between signer and egress (attach, deliver) stays on this machine.

Reads from the environment:

OBSCURA_RUN                 directory of the sockets
OBSCURA_BRIDGE_LISTEN       host:port to listen on; an IPv6 address in brackets
OBSCURA_BRIDGE_AUTHORITY    our authority's certificate (PEM; more than one while it is being replaced)
OBSCURA_BRIDGE_CERTIFICATE  certificate of this machine, of the role vault (PEM)
OBSCURA_BRIDGE_KEY          its key (PEM)
OBSCURA_BRIDGE_REVOKED      serial numbers that are refused, one a line in hex; default revoked beside the authority.
                            Read again when it changes; while it cannot be read, nobody new is let in
OBSCURA_BRIDGE_CONNECTIONS  open at a time, and as many in their handshake, default 200; the signer takes 256
OBSCURA_BRIDGE_HANDSHAKE_S  seconds a handshake may take, default 5
OBSCURA_BRIDGE_IDLE_S       seconds without a byte after which a connection is cut, default 900: far longer than any
                            order is waited for
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from citadel import processes
from citadel.bridge import identity
from citadel.bridge.relay import Gate, Relay
from citadel.bridge.running import AddressUnusable, Bounds, Hall, reason, tune, until_stopped

_NEAR_S = 2.0
_SHUTDOWN_S = 2.0
_OPS = {"signer": None, "egress": frozenset({"hello", "ping", "stats", "warm"})}


class Serve:
    """One listener for both sockets.

    :raises citadel.bridge.identity.CertificatesUnusable: the environment names none
    :raises citadel.bridge.identity.RevokedUnreadable: nor a list of those that are refused
    :raises citadel.bridge.running.AddressUnusable: the address cannot be listened on
    """

    def __init__(self, *, directory: Path, address: tuple[str, int], bounds: Bounds, log: processes.Log) -> None:
        self._directory, self._bounds = directory, bounds
        self._context = identity.server_context()
        beside = Path(os.environ["OBSCURA_BRIDGE_AUTHORITY"]).with_name("revoked")
        self._revoked = identity.Revoked(Path(os.environ.get("OBSCURA_BRIDGE_REVOKED") or beside))
        self._hall = Hall(bounds=bounds, revoked=self._revoked, log=log)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            self._listener = socket.create_server(address, family=family, backlog=256)
        except OSError:
            raise AddressUnusable from None
        self._listener.setblocking(False)

    async def run(self, log: processes.Log) -> None:
        log.line("start", pid=os.getpid(), port=self._listener.getsockname()[1])
        await until_stopped(self._hall.tick, self._hall.accept(self._listener, self._take))

    async def _take(self, connection: socket.socket) -> None:
        """Handshake, certificate, socket: whoever fails at one of them has reached nothing."""
        loop, refusals = asyncio.get_running_loop(), self._hall.refusals
        gate = Gate()
        relay = Relay(over=self._hall.over, sift=gate.sift)
        try:
            tune(connection)
            connection.setblocking(False)
            transport, _ = await loop.connect_accepted_socket(
                lambda: relay.far,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._bounds.handshake_s,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
        except OSError as error:
            refusals.line("refused", why="handshake", error=reason(error))
            connection.close()
            return
        other = identity.peer(transport.get_extra_info("ssl_object"))
        why = identity.why_not(
            other, role=identity.WORKER, protocols=frozenset(identity.SOCKETS), revoked=self._revoked
        )
        if why is None and self._hall.full:
            why = "too_many"
        if why is not None or other.protocol is None:
            refusals.line("refused", why=why, name=other.name, serial=f"{other.serial:x}", protocol=other.protocol)
            relay.cut("refused")
            return
        name = identity.SOCKETS[other.protocol]
        gate.ops = _OPS[name]
        if not self._hall.enter(relay, other):
            return
        try:
            async with asyncio.timeout(_NEAR_S):
                await loop.create_unix_connection(lambda: relay.near, str(self._directory / f"{name}.sock"))
        except OSError as error:
            refusals.line("socket_unavailable", name=name, error=reason(error))
            relay.cut("socket_unavailable")
