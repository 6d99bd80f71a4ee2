"""A keep-alive HTTP/1.1 client pool that sends every request at most once and knows what it does not know.

One host, `size` connections, the warmest first, one request in flight on each. A request ends in exactly one `Answer`:

* ``status > 0``: the complete answer of the peer;
* ``SILENCE``: bytes were handed to the connection and no complete answer came. The peer may have acted;
* ``UNSENT``: nothing was handed to any connection. The peer cannot have acted.

Nothing is ever sent again, not even where HTTP calls a method idempotent: that is for the caller to decide.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, cast

import httptools

SILENCE = 0
UNSENT = -1

MAX_BODY = 1 << 20
"""Bytes of body an answer may have. A longer one ends in silence: it was not read to its end."""

ANSWER_BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000)
"""Milliseconds from sending to the complete answer, up to which `Pool.took` counts."""


class Answer(NamedTuple):
    """How a request ended. `body` is the body, or the reason in ASCII where `status` is not positive.

    Times are Unix milliseconds; `sent_ms` is 0 where nothing was sent. `headers` holds wanted headers that were there.
    """

    status: int
    body: bytes
    sent_ms: int
    done_ms: int
    headers: Mapping[str, str] | None


Settle = Callable[[Answer], None]


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...
    def get_status_code(self) -> int: ...
    def should_keep_alive(self) -> bool: ...


class _Call:
    """A request on its way."""

    __slots__ = ("data", "not_after_ms", "settle", "timeout")

    def __init__(self, data: bytes, settle: Settle, timeout: float, not_after_ms: int) -> None:
        self.data = data
        self.settle = settle
        self.timeout = timeout
        self.not_after_ms = not_after_ms


class _Connection(asyncio.Protocol):
    """One connection: reads one answer to one request, then goes back to its pool."""

    __slots__ = (
        "call", "chunks", "complete", "deadline", "headers", "idle_since", "keep", "length", "parser", "pool",
        "sent_ms", "spoiled", "status", "transport", "why",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.parser: _Parser = httptools.HttpResponseParser(self)
        self.transport: asyncio.Transport | None = None
        self.call: _Call | None = None
        self.chunks: list[bytes] = []
        self.length = 0
        self.headers: dict[str, str] | None = None
        self.complete = False
        self.spoiled = False
        self.keep = False
        self.status = 0
        self.sent_ms = 0
        self.deadline = 0.0
        self.idle_since = 0.0
        self.why = b"connection_lost"

    # asyncio
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.call is None:
            # Nobody asked: a farewell such as 408, or an answer of doubtful owner. Never let it meet the next request.
            self._abort(b"unasked_bytes")
            return
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.spoiled = True
            self.why = b"not_http"
        # The connection is handed on only here, when the parser is done with these bytes: what follows a complete
        # answer in them belongs to nobody.
        if self.complete:
            self._finish()
        elif self.spoiled:
            self._abort(self.why)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        call, self.call = self.call, None
        self.pool._gone(self)
        if call is not None:
            self.pool.silent += 1
            call.settle(Answer(SILENCE, self.why, self.sent_ms, _now_ms(), None))

    # httptools
    def on_message_begin(self) -> None:
        if self.complete:
            self.spoiled = True  # a second answer to one request; nothing of it may mix with the first

    def on_header(self, name: bytes, value: bytes) -> None:
        wanted = self.pool.wanted.get(name.lower())
        if wanted is not None and not self.complete:
            if self.headers is None:
                self.headers = {}
            self.headers[wanted] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        if self.complete:
            return
        self.length += len(body)
        if self.length > self.pool.max_body:
            self.chunks.clear()
            self.spoiled = True
            self.why = b"answer_too_large"
        else:
            self.chunks.append(body)

    def on_message_complete(self) -> None:
        if self.complete:
            return
        status = self.parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self.headers = None
            return
        self.complete = True
        self.status = status
        self.keep = status != 101 and self.parser.should_keep_alive()

    # the pool's side
    def send(self, call: _Call) -> None:
        """Hand the request to the socket. From here on an end without a complete answer is silence."""
        assert self.transport is not None
        self.call = call
        self.chunks = []
        self.length = 0
        self.headers = None
        self.complete = self.spoiled = False
        self.why = b"connection_lost"
        self.sent_ms = _now_ms()
        self.deadline = self.pool.loop.time() + call.timeout
        self.transport.write(call.data)

    def _finish(self) -> None:
        call, self.call = self.call, None
        assert call is not None
        if self.why == b"answer_too_large":
            answer = Answer(SILENCE, self.why, self.sent_ms, _now_ms(), None)
            self.pool.silent += 1
        else:
            body = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
            answer = Answer(self.status, body, self.sent_ms, _now_ms(), self.headers)
            self.pool.answered_after(answer.done_ms - answer.sent_ms)
        self.chunks = []
        if self.keep and not self.spoiled:
            self.pool._give(self)
        else:
            self.close()
        call.settle(answer)

    def _abort(self, why: bytes) -> None:
        self.why = why
        if self.transport is not None:
            self.transport.abort()

    def expire(self) -> None:
        self._abort(b"timeout")

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    @property
    def closing(self) -> bool:
        return self.transport is None or self.transport.is_closing()


class Pool:
    """Keep-alive connections to one host. Belongs to the event loop it was made in; not for several threads.

    :param size: connections at most; further requests wait in the order they came
    :param queue: requests that may wait at most; a further one is refused as unsent
    :param wanted: names of answer headers to hand over, any case
    :param max_idle: seconds after which an unused connection is replaced: the peer may be about to close it
    :param local: the address of this machine that connections are opened from; empty: the system chooses
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        size: int = 96,
        queue: int = 50_000,
        wanted: tuple[str, ...] = (),
        max_body: int = MAX_BODY,
        max_idle: float = 45.0,
        connect_timeout: float = 5.0,
        local: str = "",
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.host, self.port, self.tls, self.server_name = host, port, tls, server_name
        self.size, self.queue, self.max_body = size, queue, max_body
        self.max_idle, self.connect_timeout = max_idle, connect_timeout
        self.local = (local, 0) if local else None
        self.wanted: dict[bytes, str] = {name.lower().encode(): name.lower() for name in wanted}
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()
        self._urgent: deque[_Call] = deque()
        self._waiting: deque[_Call] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._closed = False
        self._drained = asyncio.Event()
        self.answered = self.silent = self.unsent = self.answers_ms = 0
        self.took = [0] * (len(ANSWER_BOUNDS_MS) + 1)

    def submit(
        self, data: bytes, settle: Settle, *, timeout: float, not_after_ms: int = 1 << 62, urgent: bool = False
    ) -> None:
        """Send `data`, a complete HTTP request, once; `settle` is called exactly once with the `Answer`.

        :param timeout: seconds from the moment the bytes are handed over to the complete answer
        :param not_after_ms: Unix milliseconds; a request still waiting then is not sent. Looked at again at the
            moment of sending, so that a process that was stopped in between sends nothing stale.
        :param urgent: where requests wait, this one goes before all that are not urgent
        """
        call = _Call(data, settle, timeout, not_after_ms)
        if self._closed:
            self._unsent(call, b"pool_closed")
        elif _now_ms() > not_after_ms:
            self._unsent(call, b"too_late")
        elif not self._queued() and (connection := self._take()) is not None:
            connection.send(call)
            self._watch(connection.deadline)
        elif self._queued() >= self.queue:
            self._unsent(call, b"queue_full")
        else:
            (self._urgent if urgent else self._waiting).append(call)
            self._watch(self.loop.time() + min(3600.0, (not_after_ms - _now_ms()) / 1000))
            self._grow()

    async def send(self, data: bytes, *, timeout: float, not_after_ms: int = 1 << 62, urgent: bool = False) -> Answer:
        """`submit` for one request, awaited. A caller that is cancelled leaves the request on its way."""
        future: asyncio.Future[Answer] = self.loop.create_future()

        def settle(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        self.submit(data, settle, timeout=timeout, not_after_ms=not_after_ms, urgent=urgent)
        return await future

    async def warm(self, n: int) -> int:
        """Open connections until `n` are there (never more than `size`). Returns how many there are."""
        missing = min(n, self.size) - len(self._all) - len(self._connecting)
        for _ in range(missing):
            self._connect()
        if self._connecting:
            await asyncio.wait(list(self._connecting))
        return len(self._all)

    async def close(self) -> None:
        """Close for good: waiting requests end unsent, those in flight in silence."""
        self._closed = True
        self._refuse_all(b"pool_closed")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in list(self._connecting):
            task.cancel()
        if self._connecting:
            await asyncio.wait(list(self._connecting))
        for connection in list(self._all):
            connection._abort(b"pool_closed")
        if self._all:
            await self._drained.wait()

    def counts(self) -> dict[str, int]:
        """Connections open, idle and being opened; requests waiting; how others ended, and what answers took."""
        return {
            "open": len(self._all),
            "idle": len(self._idle),
            "connecting": len(self._connecting),
            "waiting": self._queued(),
            "answered": self.answered,
            "silent": self.silent,
            "unsent": self.unsent,
            "answers_ms": self.answers_ms,
        }

    def answered_after(self, took_ms: int) -> None:
        """Count a complete answer."""
        self.answered += 1
        self.answers_ms += took_ms
        self.took[bisect_left(ANSWER_BOUNDS_MS, took_ms)] += 1

    # connections
    def _take(self) -> _Connection | None:
        oldest = self.loop.time() - self.max_idle
        while self._idle:
            connection = self._idle.pop()
            if connection.closing:
                continue
            if connection.idle_since < oldest:
                connection.close()
                continue
            return connection
        return None

    def _give(self, connection: _Connection) -> None:
        if self._closed or connection.closing:
            connection.close()
            return
        while self._queued():
            call = self._urgent.popleft() if self._urgent else self._waiting.popleft()
            if _now_ms() > call.not_after_ms:
                self._unsent(call, b"too_late")
                continue
            connection.send(call)
            self._watch(connection.deadline)
            return
        connection.idle_since = self.loop.time()
        self._idle.append(connection)

    def _gone(self, connection: _Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._closed and not self._all:
            self._drained.set()
        self._grow()

    def _grow(self) -> None:
        """Open as many connections as waiting requests ask for and `size` allows."""
        while (
            not self._closed
            and len(self._connecting) < self._queued()
            and len(self._all) + len(self._connecting) < self.size
        ):
            self._connect()

    def _connect(self) -> None:
        task = self.loop.create_task(self._open())
        self._connecting.add(task)
        task.add_done_callback(self._opened)

    async def _open(self) -> None:
        async with asyncio.timeout(self.connect_timeout):
            _, connection = await self.loop.create_connection(
                lambda: _Connection(self),
                self.host,
                self.port,
                ssl=self.tls,
                server_hostname=(self.server_name or self.host) if self.tls else None,
                local_addr=self.local,
            )
        if connection.closing:
            raise ConnectionResetError
        self._all.add(connection)
        self._give(connection)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        if not isinstance(error, OSError | asyncio.TimeoutError):
            self.loop.call_exception_handler({"message": "a connection could not be opened", "exception": error})
        if not self._all and not self._connecting:
            # Nobody is left who could serve those that wait, and the next attempt would be as good as this one.
            self._refuse_all(b"connect_failed")

    def _queued(self) -> int:
        return len(self._urgent) + len(self._waiting)

    def _refuse_all(self, why: bytes) -> None:
        for queue in (self._urgent, self._waiting):
            while queue:
                self._unsent(queue.popleft(), why)

    def _unsent(self, call: _Call, why: bytes) -> None:
        self.unsent += 1
        call.settle(Answer(UNSENT, why, 0, _now_ms(), None))

    # time
    def _watch(self, at: float) -> None:
        """One timer for the whole pool, at the earliest deadline known."""
        if self._timer is not None:
            if at >= self._timer_at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self.loop.call_at(at, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now, now_ms = self.loop.time(), _now_ms()
        soonest = float("inf")
        for connection in list(self._all):
            if connection.call is None:
                continue
            if connection.deadline <= now:
                connection.expire()
            else:
                soonest = min(soonest, connection.deadline)
        late: list[_Call] = []
        for queue in (self._urgent, self._waiting):
            kept = [call for call in queue if call.not_after_ms > now_ms]
            if len(kept) < len(queue):
                late += [call for call in queue if call.not_after_ms <= now_ms]
                queue.clear()
                queue.extend(kept)
            for call in kept:
                soonest = min(soonest, now + min(3600.0, (call.not_after_ms - now_ms) / 1000))
        if soonest != float("inf"):
            self._watch(max(soonest, now + 0.001))
        for call in late:
            self._unsent(call, b"too_late")


def _now_ms() -> int:
    return int(time.time() * 1000)
