"""What both halves of the bridge have in common: settings, accepting within a bound, cutting what has been quiet."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import uvloop

from citadel.bridge.identity import Peer, Revoked
from citadel.bridge.relay import Relay
from citadel.processes import Log

LINES, PER_SECONDS = 20, 10.0
"""Refusals that get a line of their own in so many seconds; the others are counted."""

_TICK = 1.0
_GONE_AFTER_MS = 20_000
"""Bytes that were not taken for so long end the connection, whether the machine is gone or only stands still."""


class AddressUnusable(Exception):
    """OBSCURA_BRIDGE_LISTEN cannot be listened on: another process has it, or it is no address of this machine."""

    code = "address_unusable"


class SettingInvalid(Exception):
    """A setting is missing or makes no sense. An address is host:port, the other three are numbers above zero."""

    code = "setting_invalid"


@dataclass(frozen=True, slots=True)
class Bounds:
    """OBSCURA_BRIDGE_CONNECTIONS, OBSCURA_BRIDGE_HANDSHAKE_S and OBSCURA_BRIDGE_IDLE_S."""

    connections: int
    handshake_s: float
    idle_s: float


def read_bounds(env: Mapping[str, str] = os.environ) -> Bounds:
    """
    :raises SettingInvalid: one of them is no number above zero
    """
    try:
        bounds = Bounds(
            int(env.get("OBSCURA_BRIDGE_CONNECTIONS", "200")),
            float(env.get("OBSCURA_BRIDGE_HANDSHAKE_S", "5")),
            float(env.get("OBSCURA_BRIDGE_IDLE_S", "900")),
        )
    except ValueError:
        raise SettingInvalid from None
    if not (bounds.connections > 0 and 0 < bounds.handshake_s < 3600 and 0 < bounds.idle_s < 1e6):
        raise SettingInvalid
    return bounds


def read_address(name: str, env: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Host and port; an IPv6 address stands in brackets.

    :raises SettingInvalid: it is not set, or not that
    """
    host, _, port = env.get(name, "").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SettingInvalid
    return host, int(port)


def tune(connection: socket.socket) -> None:
    """A machine that vanished is noticed after some twenty seconds, whether something was under way or not."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_AFTER_MS)


def reason(error: OSError) -> str:
    """What is said of a failure in a log: a name, nothing that the other side wrote."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower()
    return type(error).__name__


class Refusals:
    """Lines about who was turned away. Whoever knocks very often gets a number instead."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._until = 0.0
        self._lines = 0
        self._more: Counter[str] = Counter()

    def line(self, event: str, **facts: object) -> None:
        self.tick()
        if self._lines < LINES:
            self._lines += 1
            self._log.line(event, **facts)
        else:
            self._more[event] += 1

    def tick(self) -> None:
        if time.monotonic() >= self._until:
            self._until, self._lines = time.monotonic() + PER_SECONDS, 0
            if self._more:
                self._log.line("refused_more", counts=dict(self._more))
                self._more.clear()


class Hall:
    """The relays that are open, within a bound, and those who are still at the door.

    Whoever is at the door is counted apart: strangers who never finish a handshake do not use up what is for workers.
    """

    def __init__(self, *, bounds: Bounds, revoked: Revoked | None, log: Log) -> None:
        self.bounds, self.revoked, self.log, self.refusals = bounds, revoked, log, Refusals(log)
        self._readable = True
        self.relays: dict[Relay, Peer] = {}
        self._coming: set[asyncio.Task[None]] = set()

    async def accept(
        self, listener: socket.socket, take: Callable[[socket.socket], Coroutine[Any, Any, None]]
    ) -> NoReturn:
        """Take whoever connects, each in a task of its own, as long as there is room at the door."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # no file descriptors left, or it went away before it was accepted
                self.refusals.line("not_accepted", why=reason(error))
                await asyncio.sleep(0.05)
                continue
            if len(self._coming) >= self.bounds.connections:
                self.refusals.line("refused", why="too_many_at_the_door")
                connection.close()
                continue
            task = loop.create_task(take(connection))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    @property
    def full(self) -> bool:
        return len(self.relays) >= self.bounds.connections

    def enter(self, relay: Relay, other: Peer) -> bool:
        """Count it among the open ones until it is over. False: it is over already."""
        if relay.ended:
            return False
        self.relays[relay] = other
        self.log.line("open", name=other.name, serial=f"{other.serial:x}", protocol=other.protocol)
        return True

    def over(self, relay: Relay) -> None:
        other = self.relays.pop(relay, None)
        if other is not None:
            up, down = relay.carried
            self.log.line(
                "closed", name=other.name, serial=f"{other.serial:x}", protocol=other.protocol, why=relay.why,
                from_far=up, from_near=down,
            )  # fmt: skip

    def tick(self) -> None:
        """Cut what has been quiet for too long, and those whose certificates have ended or were revoked meanwhile."""
        self.refusals.tick()
        if self.revoked is not None and self.revoked.refresh() != self._readable:
            self._readable = not self._readable
            self.log.line("revoked_list", readable=self._readable)
        quiet_since, now = asyncio.get_running_loop().time() - self.bounds.idle_s, time.time()
        for relay, other in list(self.relays.items()):
            if relay.last < quiet_since:
                relay.cut("idle")
            elif other.ends <= now:
                relay.cut("certificate_ended")
            elif self.revoked is not None and other.serial in self.revoked:
                relay.cut("revoked")


async def until_stopped(tick: Callable[[], None], *accepting: Awaitable[NoReturn]) -> None:
    """Accept until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.ensure_future(one) for one in accepting]
    for task in tasks:
        task.add_done_callback(lambda _: stop.set())  # it never ends by itself; without it nobody would come in
    while not stop.is_set():
        tick()
        try:
            async with asyncio.timeout(_TICK):
                await stop.wait()
        except TimeoutError:
            continue
    for task in tasks:
        if task.done():
            task.result()


def run(main: Callable[[Log], Coroutine[Any, Any, None]], log: Log) -> NoReturn:
    """Run one half until it is told to stop, and end the process.

    What nobody caught is logged by its kind alone: an error may quote what it was about.
    """

    def fault(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        log.line("fault", kind=type(context.get("exception")).__name__)

    async def whole() -> NoReturn:
        status = 1
        try:
            await main(log)
            log.line("stop")
            status = 0
        except Exception as error:  # noqa: BLE001 - the process ends with it
            log.line("fault", kind=type(error).__name__)
        sys.stdout.flush()
        # There is nothing to drain: whoever waits learns silence from the closed connection and asks the venue. A loop
        # that first waits for its connections to close would wait for as long as they live.
        os._exit(status)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(fault)
        runner.run(whole())
