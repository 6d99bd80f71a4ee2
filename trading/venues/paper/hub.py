"""Who listens to which public stream, and the subscription words of the market sockets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson

from .frames import Socket
from .symbols import Symbol

MAX_STREAMS = 1024
_NAME = re.compile(
    r"(?:(?P<symbol>[a-z0-9]+)@(?P<kind>trade|aggTrade|bookTicker|miniTicker|ticker|markPrice(?:@1s)?"
    r"|depth(?:5|10|20)?(?:@(?:0|100|250|500|1000)ms)?|kline_(?:1m|3m|5m|15m|30m|1h|2h|4h|6h|12h|1d))"
    r"|(?P<all>!(?:miniTicker@arr|ticker@arr|bookTicker|markPrice@arr(?:@1s)?)))\Z"
)


class Listener:
    """One market socket: what it wants, and whether it wants it wrapped with the stream's name."""

    def __init__(self, hub: Hub, market: str, socket: Socket, *, combined: bool) -> None:
        self.hub, self.market, self.socket, self.combined = hub, market, socket, combined
        self.names: list[str] = []
        socket.on_text = self.hear
        socket.on_close.append(self.leave)

    def subscribe(self, names: Iterable[str]) -> bool:
        """False, and nothing changed, when a name is not one of a stream."""
        wanted = [name for name in names if name]
        if len(self.names) + len(wanted) > MAX_STREAMS or not all(_NAME.match(name) for name in wanted):
            return False
        for name in wanted:
            if name not in self.names:
                self.names.append(name)
                self.hub.topics.setdefault((self.market, name), {})[self] = None
        return True

    def unsubscribe(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self.names:
                self.names.remove(name)
                self.hub.drop(self, name)

    def leave(self) -> None:
        self.unsubscribe(list(self.names))

    def hear(self, text: bytes) -> None:
        """`{"method": "SUBSCRIBE", "params": [...], "id": 1}` and its kin."""
        try:
            message = orjson.loads(text)
            method, id = message["method"], message.get("id")
            params = message.get("params") or []
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            self._say({"error": {"code": 3, "msg": "Invalid JSON: expected value"}})
            return
        named = isinstance(params, list) and all(isinstance(one, str) for one in params)
        if method in ("SUBSCRIBE", "UNSUBSCRIBE") and not named:
            self._say({"error": {"code": 2, "msg": "Invalid request: params must be a list of streams"}, "id": id})
        elif method == "SUBSCRIBE":
            taken = self.subscribe(params)
            self._say(
                {"result": None, "id": id}
                if taken
                else {"error": {"code": 2, "msg": "Invalid request: unknown stream"}, "id": id}
            )
        elif method == "UNSUBSCRIBE":
            self.unsubscribe(params)
            self._say({"result": None, "id": id})
        elif method == "LIST_SUBSCRIPTIONS":
            self._say({"result": self.names, "id": id})
        elif method == "SET_PROPERTY":
            self.combined = bool(params[1]) if len(params) == 2 and params[0] == "combined" else self.combined
            self._say({"result": None, "id": id})
        elif method == "GET_PROPERTY":
            self._say({"result": self.combined, "id": id})
        else:
            self._say({"error": {"code": 2, "msg": f"Invalid request: unknown variant `{method}`"}, "id": id})

    def _say(self, answer: dict[str, Any]) -> None:
        self.socket.send(orjson.dumps(answer))


class Hub:
    """Topics and their listeners. `wanted` is asked before an event is even built."""

    def __init__(self) -> None:
        self.topics: dict[tuple[str, str], dict[Listener, None]] = {}

    def drop(self, listener: Listener, name: str) -> None:
        key = (listener.market, name)
        listeners = self.topics.get(key)
        if listeners:
            listeners.pop(listener, None)
            if not listeners:
                del self.topics[key]

    def publish(self, market: str, name: str, event: Any) -> None:
        listeners = self.topics.get((market, name))
        if not listeners:
            return
        text = orjson.dumps(event)
        wrapped = b'{"stream":"' + name.encode() + b'","data":' + text + b"}"
        for listener in list(listeners):
            listener.socket.send(wrapped if listener.combined else text)

    def wanted(self) -> list[tuple[str, str, str]]:
        """(market, symbol in capitals or "", kind) of every topic that somebody listens to."""
        found = []
        for market, name in list(self.topics):
            symbol, _, kind = name.partition("@")
            found.append((market, "", name) if name.startswith("!") else (market, symbol.upper(), kind))
        return found


def topic(symbol: Symbol | str, kind: str) -> str:
    name = symbol if isinstance(symbol, str) else symbol.name
    return f"{name.lower()}@{kind}"
