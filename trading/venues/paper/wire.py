"""HTTP/1.1 over a bare asyncio protocol: parse, queue what is pipelined, answer in order, hand over upgrades."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol, cast

import httptools
import orjson

from . import frames

MAX_BODY = 1 << 20
MAX_HEAD = 32 << 10
MAX_PIPELINED = 1_000

STATUS = {
    200: "200 OK",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    409: "409 Conflict",
    413: "413 Content Too Large",
    418: "418 I'm a teapot",
    429: "429 Too Many Requests",
    431: "431 Request Header Fields Too Large",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}
_HEAD = "HTTP/1.1 %s\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: %d\r\n%s\r\n"


def response(status: int, body: object, headers: str = "") -> bytes:
    """A whole HTTP answer; `body` is JSON-able or ready bytes, `headers` are lines that end in CRLF."""
    payload = body if isinstance(body, bytes) else orjson.dumps(body)
    return (_HEAD % (STATUS[status], len(payload), headers)).encode() + payload


class Request:
    __slots__ = ("method", "path", "query", "body", "headers", "keep_alive", "address")

    def __init__(self, method: str, path: str, query: bytes, body: bytes, headers: dict[bytes, bytes]) -> None:
        self.method, self.path, self.query, self.body, self.headers = method, path, query, body, headers
        self.keep_alive, self.address = True, ""


class Front(Protocol):
    """Who answers. `serve` calls `connection.answer` exactly once, now or later; or never, which hangs the client."""

    def serve(self, connection: Connection, request: Request) -> None: ...

    def upgrade(self, request: Request, socket: frames.Socket) -> bool: ...


class Connection(asyncio.Protocol):
    """One client connection. A request is served when the one before it was answered."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.parser = httptools.HttpRequestParser(self)
        self.queue: deque[Request] = deque()
        self.busy = self.pumping = self.over = False
        self.socket: frames.Socket | None = None
        self.keep_alive = True
        self._start()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no isinstance: uvloop's transports are not asyncio.Transport.
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        self.queue.clear()
        if self.socket:
            self.socket.gone()

    def data_received(self, data: bytes) -> None:
        if self.socket:
            self.socket.feed(data)
            return
        if self.over:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._upgrade(data[stop.args[0] :])
        except httptools.HttpParserError:
            self.refuse(400, -1100, "Malformed HTTP request.")
        else:
            self._pump()

    # What the parser calls

    def _start(self) -> None:
        self._url, self._head_size, self._body_size = b"", 0, 0
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def on_message_begin(self) -> None:
        self._start()

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._measure(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value
        self._measure(len(name) + len(value))

    def on_headers_complete(self) -> None:
        length = self._headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > MAX_BODY:
            self.refuse(413, -1101, "Request body too large.")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_size += len(body)
        if self._body_size > MAX_BODY:
            self.refuse(413, -1101, "Request body too large.")

    def on_message_complete(self) -> None:
        if self.over or self.parser.should_upgrade():
            return
        request = self._request()
        request.keep_alive = self.parser.should_keep_alive()
        self.queue.append(request)
        if len(self.queue) > MAX_PIPELINED:
            self.refuse(429, -1003, "Too many requests queued.")

    def _measure(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD:
            self.refuse(431, -1101, "Request header fields too large.")

    def _request(self) -> Request:
        path, _, query = self._url.partition(b"?")
        if not path.startswith(b"/"):  # absolute form, as a proxy would send it
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(
            self.parser.get_method().decode("latin-1"), path.decode("latin-1"), query, body, self._headers
        )
        request.address = self.address
        return request

    def _upgrade(self, rest: bytes) -> None:
        request = self._request()
        key = request.headers.get(b"sec-websocket-key")
        if request.headers.get(b"upgrade", b"").lower() != b"websocket" or not key or self.busy:
            self.refuse(400, -1100, "Only WebSocket upgrades are served.")
            return
        socket = frames.Socket(self.transport)
        socket.heard = asyncio.get_running_loop().time()
        self.transport.write(frames.accept(key))
        self.socket = socket
        if not self.front.upgrade(request, socket):
            socket.close(1008)
        elif rest:
            socket.feed(rest)

    # What the front calls

    def answer(self, data: bytes) -> None:
        """Send the answer of the request that is being served, then take the next."""
        self.busy = False
        if self.over:
            return
        self.transport.write(data)
        if not self.keep_alive:
            self.over = True
            self.transport.close()
        elif self.queue and not self.pumping:
            self._pump()

    def refuse(self, status: int, code: int, text: str) -> None:
        """Answer what cannot be read and close."""
        if not self.over:
            self.over = True
            self.queue.clear()
            self.transport.write(response(status, {"code": code, "msg": text}, "Connection: close\r\n"))
            self.transport.close()

    def _pump(self) -> None:
        self.pumping = True
        while self.queue and not self.busy and not self.over:
            request = self.queue.popleft()
            self.busy, self.keep_alive = True, request.keep_alive
            self.front.serve(self, request)
        self.pumping = False
