"""The WebSocket API: signed requests and user data subscriptions over one socket."""

from __future__ import annotations

from typing import Any

import orjson

from . import access, refusals
from .exchange import Exchange
from .frames import Socket
from .refusals import Refused
from .routes import TABLE, Call
from .symbols import SPOT
from .tape import Tape
from .userstreams import UserStream

# method: (HTTP method, path) whose handler does the same
SPOT_METHODS = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "klines": ("GET", "/api/v3/klines"),
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
}
USDM_METHODS = {
    "ping": ("GET", "/fapi/v1/ping"),
    "time": ("GET", "/fapi/v1/time"),
    "order.place": ("POST", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "account.status": ("GET", "/fapi/v2/account"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "account.balance": ("GET", "/fapi/v2/balance"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "account.position": ("GET", "/fapi/v2/positionRisk"),
    "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
}


class Session:
    """One socket of the WebSocket API of one market."""

    def __init__(self, exchange: Exchange, tape: Tape, market: str, socket: Socket, address: str) -> None:
        self.exchange, self.tape, self.market, self.socket, self.address = exchange, tape, market, socket, address
        self.methods = SPOT_METHODS if market == SPOT else USDM_METHODS
        self.subscriptions: dict[int, UserStream] = {}
        self._next = 0
        socket.on_text = self.hear

    def hear(self, text: bytes) -> None:
        id, used = None, 0
        try:
            message = orjson.loads(text)
            if not isinstance(message, dict) or not isinstance(message.get("method"), str):
                raise Refused(-1102, "Mandatory parameter 'method' was not sent, was empty/null, or malformed.")
            id, params = message.get("id"), message.get("params") or {}
            if not isinstance(params, dict):
                raise refusals.malformed("params", "{}")
            used = self.exchange.limits[self.market].weigh(self.address, 2)
            result = self._do(message["method"], params)
        except orjson.JSONDecodeError:
            self._say(None, 400, {"error": {"code": -1135, "msg": "Invalid JSON Request"}}, used)
        except Refused as no:
            self._say(id, no.status, {"error": no.body}, used)
        else:
            if result is not None:
                self._say(id, 200, {"result": result}, used)

    def _do(self, method: str, params: dict[str, Any]) -> Any:
        if method == "userDataStream.subscribe.signature" and self.market == SPOT:
            return self._subscribe(params)
        if method == "userDataStream.unsubscribe" and self.market == SPOT:
            return self._unsubscribe(params)
        if method == "session.subscriptions" and self.market == SPOT:
            return [{"subscriptionId": id} for id in self.subscriptions]
        if method not in self.methods:
            raise Refused(-1101 if not method else -1020, f"Unknown method '{method}'.")
        route = TABLE[self.methods[method]]
        account = None
        if route.access == "open":
            params = {name: value if isinstance(value, str) else _plain(value) for name, value in params.items()}
        else:
            account, params, deadline = access.signed_params(self.exchange.ledger, params)
            access.still_in_time(deadline)
        if route.order and account is not None:
            self.exchange.limits[self.market].order(account.id)
        return route.handler(Call(self.exchange, self.tape, params, account))

    def _subscribe(self, params: dict[str, Any]) -> dict[str, int]:
        account, _, _ = access.signed_params(self.exchange.ledger, params)
        if any(stream.account is account for stream in self.subscriptions.values()):
            raise Refused(-2035, "User Data Stream subscription already active.")
        id, self._next = self._next, self._next + 1
        self.subscriptions[id] = UserStream(account, SPOT, self.socket, id)
        return {"subscriptionId": id}

    def _unsubscribe(self, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params.get("subscriptionId")
        for id in [wanted] if wanted is not None else list(self.subscriptions):
            stream = self.subscriptions.pop(id, None)
            if stream:
                stream.leave()
        return {}

    def _say(self, id: Any, status: int, body: dict[str, Any], used: int) -> None:
        limits = [self.exchange.limits[self.market].rules()[0] | {"count": used}]
        self.socket.send(orjson.dumps({"id": id, "status": status, **body, "rateLimits": limits}))


def _plain(value: object) -> str:
    return orjson.dumps(value).decode()
