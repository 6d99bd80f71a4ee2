"""A single-threaded epoll server over a unix socket: frames in, frames out, one caller cannot stall another."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable

from citadel.domain.frames import FrameTooLarge, Splitter
from citadel.processes import Log, peer_uid

MAX_CALLERS = 256
MAX_UNREAD = 16 << 20
"""Bytes of answers a caller may leave unread before it is cut off."""


class _Caller:
    __slots__ = ("closing", "out", "socket", "splitter", "writing")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.splitter = Splitter()
        self.out = bytearray()
        self.closing = False
        self.writing = False


class Server:
    """Serves until SIGTERM or SIGINT.

    :param handle: the answer frame to a request frame's body; must not raise
    :param too_large: the answer to a frame that is too large, before the connection is closed
    :param tick: called after every round, and at least every `every` seconds
    """

    def __init__(
        self,
        *,
        listener: socket.socket,
        handle: Callable[[bytes], bytes],
        too_large: Callable[[], bytes],
        uids: frozenset[int],
        log: Log,
        tick: Callable[[], None],
        every: float = 10.0,
    ) -> None:
        self._listener, self._handle, self._too_large = listener, handle, too_large
        self._uids, self._log, self._tick, self._every = uids, log, tick, every
        self._epoll = select.epoll()
        self._callers: dict[int, _Caller] = {}
        self._watched: dict[int, Callable[[], None]] = {}
        self._stopping = False

    def watch(self, fd: int, call: Callable[[], None]) -> None:
        """Call whenever there is something to read there."""
        self._watched[fd] = call
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """Forget a file descriptor, before it is closed."""
        if self._watched.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def serve(self) -> None:
        """Run. One thread, no locks: an operation is complete before the next begins."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "_stopping", True))
        self._epoll.register(wake, select.EPOLLIN)
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        while not self._stopping:
            ready = self._epoll.poll(self._every)
            # What is watched goes first: the egress tells of a refusal before whoever sent the order can send it again.
            for fd in [fd for fd, _ in ready if fd in self._watched]:
                self._watched[fd]()
            for fd, events in ready:
                if fd == wake:
                    os.read(wake, 64)
                elif fd == self._listener.fileno():
                    self._accept()
                elif fd not in self._watched:
                    self._serve_caller(fd, events)
            self._tick()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it went away before it was accepted
        uid = peer_uid(connection)
        if uid not in self._uids or len(self._callers) >= MAX_CALLERS:
            self._log.line("caller_refused", uid=uid, callers=len(self._callers))
            connection.close()
            return
        connection.setblocking(False)
        self._callers[connection.fileno()] = _Caller(connection)
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _serve_caller(self, fd: int, events: int) -> None:
        caller = self._callers.get(fd)
        if caller is None:
            return  # closed by an earlier event of the same round
        if events & select.EPOLLOUT:
            self._flush(caller)
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and fd in self._callers and not caller.closing:
            self._read(caller)

    def _read(self, caller: _Caller) -> None:
        try:
            data = caller.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(caller)
            return
        try:
            bodies = caller.splitter.feed(data)
        except FrameTooLarge:
            bodies, caller.closing = [], True
            caller.out += self._too_large()
        for body in bodies:
            caller.out += self._handle(body)
        self._flush(caller)

    def _flush(self, caller: _Caller) -> None:
        try:
            while caller.out:
                del caller.out[: caller.socket.send(caller.out)]
        except BlockingIOError:
            if len(caller.out) > MAX_UNREAD:
                self._log.line("caller_cut_off", unread=len(caller.out))
                self._close(caller)
            elif not caller.writing:
                # Who does not read its answers is not read from either.
                caller.writing = True
                self._epoll.modify(caller.socket.fileno(), select.EPOLLOUT)
            return
        except OSError:
            self._close(caller)
            return
        if caller.closing:
            self._close(caller)
        elif caller.writing:
            caller.writing = False
            self._epoll.modify(caller.socket.fileno(), select.EPOLLIN)

    def _close(self, caller: _Caller) -> None:
        fd = caller.socket.fileno()
        self._callers.pop(fd, None)
        with contextlib.suppress(OSError):
            self._epoll.unregister(fd)
        caller.socket.close()
