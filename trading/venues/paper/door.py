"""The venue's public door: every request of both markets comes in here, is checked, delayed if so wished, answered."""

from __future__ import annotations

import asyncio
import logging
import time
from urllib.parse import unquote

from . import access, refusals, rest_algo, rest_public, rest_spot, rest_usdm  # noqa: F401  the rest_* modules fill the table
from .exchange import Exchange
from .frames import Socket
from .hub import Hub, Listener
from .ledger import Account
from .refusals import Refused
from .routes import OPEN, SIGNED, TABLE, Call, Route
from .symbols import SPOT, USDM
from .tape import Tape
from .userstreams import UserStream
from .wire import Connection, Request, response
from .wsapi import Session

log = logging.getLogger(__name__)
GARBAGE = b"<html><body>502 Bad Gateway</body></html>"
PING_SECONDS = 20
PONG_SECONDS = 60


class Door:
    """Answers Binance's REST calls and opens its sockets. One object serves the plain and the TLS port."""

    def __init__(self, exchange: Exchange, tape: Tape, hub: Hub) -> None:
        self.exchange, self.tape, self.hub = exchange, tape, hub
        self.sockets: dict[Socket, None] = {}
        self.requests = 0
        self.refused: dict[int, int] = {}

    def connection(self) -> Connection:
        return Connection(self)

    # REST

    def serve(self, connection: Connection, request: Request) -> None:
        self.requests += 1
        exchange, account, struck = self.exchange, None, None
        headers = ""
        try:
            route = TABLE.get((request.method, request.path))
            if route is None:
                raise refusals.no_path(request.method, request.path)
            limits = exchange.limits[route.market]
            used = limits.weigh(request.address, route.weighs(request.query))
            headers = f"x-mbx-used-weight: {used}\r\nx-mbx-used-weight-1m: {used}\r\n"
            deadline = 0
            if route.access is SIGNED:
                key = request.headers.get(b"x-mbx-apikey", b"").decode("latin-1")
                account, params, deadline = access.signed(exchange.ledger, key, request.query, request.body)
            elif route.access is OPEN:
                params = access.parse(request.query)
            else:
                key = request.headers.get(b"x-mbx-apikey", b"").decode("latin-1")
                account, params = access.keyed(exchange.ledger, key), access.parse(request.query or request.body)
            if route.order and account is not None:
                for name, count in limits.order(account.id).items():
                    headers += f"x-mbx-order-count-{name}: {count}\r\n"
            call = Call(exchange, self.tape, params, account)
            if exchange.faults.active:
                label = account.label if account else None
                struck = exchange.faults.strike(request.method, request.path, label)
                wait = exchange.faults.delay("pre_ms", label)
                if wait:
                    later = asyncio.get_running_loop().call_later
                    later(wait, self._run, connection, route, call, deadline, headers, struck)
                    return
        except Refused as no:
            self._answer(connection, no.status, no.body, headers + no.headers, account)
            return
        self._run(connection, route, call, deadline, headers, struck)

    def _run(
        self, connection: Connection, route: Route, call: Call, deadline: int, headers: str, struck: str | None
    ) -> None:
        status: int
        body: object
        try:
            if struck:
                _refuse_unexecuted(struck)
            if deadline:
                access.still_in_time(deadline)
            status, body = 200, route.handler(call)
            if struck == "timeout_after_execution":
                return
            if struck == "garbage":
                body = GARBAGE
            elif struck == "unknown_503":
                no = refusals.unknown_status()
                status, body = no.status, no.body
        except Refused as no:
            status, body, headers = no.status, no.body, headers + no.headers
        except Exception:
            log.exception("a request failed")
            status, body = 500, {"code": -1000, "msg": "An unknown error occurred while processing the request."}
        self._answer(connection, status, body, headers, call.account)

    def _answer(self, connection: Connection, status: int, body: object, headers: str, account: Account | None) -> None:
        if status != 200:
            code = body["code"] if isinstance(body, dict) else 0
            self.refused[code] = self.refused.get(code, 0) + 1
        data = response(status, body, headers)
        if self.exchange.faults.active:
            wait = self.exchange.faults.delay("rtt_ms", account.label if account else None)
            if wait:
                asyncio.get_running_loop().call_later(wait, connection.answer, data)
                return
        connection.answer(data)

    # Sockets

    def upgrade(self, request: Request, socket: Socket) -> bool:
        """Route by path, and by Host where both markets have the path. False closes the socket."""
        host = request.headers.get(b"host", b"").lower()
        path, params = request.path, _loose(request.query)
        usdm = host.startswith((b"fstream", b"ws-fapi")) or path.startswith(
            ("/public", "/market", "/private", "/ws-fapi")
        )
        market = USDM if usdm else SPOT
        self.sockets[socket] = None
        socket.on_close.append(lambda: self.sockets.pop(socket, None))
        if path in ("/ws-api/v3", "/ws-fapi/v1"):
            Session(self.exchange, self.tape, market, socket, request.address)
            return True
        parts = [part for part in path.split("/") if part and part not in ("public", "market")]
        key = params.get("listenKey") or (parts[-1] if len(parts[-1:][0] if parts else "") == 64 else "")
        if path.startswith("/private") or key:
            return self._private(key or params.get("streams", "").partition("@")[0], socket)
        combined = bool(parts) and parts[0] == "stream" and "ws" not in parts
        listener = Listener(self.hub, market, socket, combined=combined)
        names = params.get("streams", "").split("/") if "streams" in params else []
        # /ws/btcusdt@trade names a stream; /ws/3 and /stream/ws/3 are how some clients number their sockets.
        names += [part for part in parts if "@" in part or part.startswith("!")]
        return listener.subscribe(names)

    def _private(self, listen_key: str, socket: Socket) -> bool:
        for account in self.exchange.ledger.accounts.values():
            if account.listen_key == listen_key and time.time() < account.listen_until:
                UserStream(account, USDM, socket)
                return True
        return False

    async def keep_alive(self) -> None:
        """Ping every socket as the exchange does; who does not answer within a minute is cut off."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PING_SECONDS)
            for socket in list(self.sockets):
                if loop.time() - socket.heard > PONG_SECONDS:
                    socket.abort()
                else:
                    socket.ping(str(int(time.time() * 1000)).encode())
            for account in self.exchange.ledger.accounts.values():
                if account.listen_key and time.time() > account.listen_until:
                    rest_usdm.expire(self.exchange, account, tell=True)


def _refuse_unexecuted(struck: str) -> None:
    if struck == "status_429":
        text = "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."
        raise Refused(-1003, text, 429, "Retry-After: 1\r\n")
    if struck == "error_503":
        raise refusals.unavailable()


def _loose(query: bytes) -> dict[str, str]:
    text = unquote(query.decode("latin-1"))
    return {name: value for name, _, value in (one.partition("=") for one in text.split("&"))}
