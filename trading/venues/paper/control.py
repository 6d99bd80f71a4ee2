"""The control port, loopback only: accounts, faults, prices, trades of a lead's own hand, and the witness's record."""

from __future__ import annotations

import logging
import os
import resource
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from . import rest_usdm, shapes, spot, usdm
from .amounts import NotANumber, units
from .door import Door
from .frames import Socket
from .ledger import Account, Order
from .refusals import Refused
from .reports import stream_terminated
from .symbols import SPOT, USDM
from .wire import Connection, Request, response

log = logging.getLogger(__name__)


class Wrong(Exception):
    """The request cannot be understood; the text says what to change."""


class Control:
    """JSON in, JSON out. Paths: /health /stats /executions /accounts /deposit /faults /price /trade /drop /limits."""

    def __init__(self, door: Door, source: Any) -> None:
        self.door, self.exchange, self.source = door, door.exchange, source
        self.began = time.time()
        self.enforced = self.exchange.limits[SPOT].enforced
        self.calls: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "/health"): self.health,
            ("GET", "/stats"): self.stats,
            ("GET", "/executions"): self.executions,
            ("POST", "/accounts"): self.accounts,
            ("GET", "/accounts"): self.list_accounts,
            ("POST", "/deposit"): self.deposit,
            ("POST", "/faults"): self.faults,
            ("GET", "/faults"): self.list_faults,
            ("DELETE", "/faults"): self.clear_faults,
            ("POST", "/price"): self.price,
            ("POST", "/trade"): self.trade,
            ("GET", "/order"): self.order,
            ("POST", "/drop"): self.drop,
            ("GET", "/limits"): self.limits,
            ("POST", "/limits"): self.set_limits,
            ("DELETE", "/limits"): self.restore_limits,
        }

    def connection(self) -> Connection:
        return Connection(self)

    def upgrade(self, request: Request, socket: Socket) -> bool:
        return False

    def serve(self, connection: Connection, request: Request) -> None:
        call = self.calls.get((request.method, request.path))
        try:
            if call is None:
                raise Wrong(f"{request.method} {request.path} is not a call of the control port")
            status, body = 200, call(_read(request))
        except Wrong as no:
            status, body = 400, {"error": str(no)}
        except Refused as no:
            status, body = no.status, {"error": no.msg, **no.body}
        except Exception:
            log.exception("a control call failed")
            status, body = 500, {"error": "the venue failed; its log says why"}
        connection.answer(response(status, body))

    # What is

    def health(self, asked: dict[str, Any]) -> Any:
        trading = [
            f"{market}:{name}"
            for market, symbols in self.exchange.symbols.items()
            for name, one in symbols.items()
            if one.trading
        ]
        return {"ok": True, "market": self.source.name, "trading": trading, "pid": os.getpid()}

    def stats(self, asked: dict[str, Any]) -> Any:
        used, ledger = resource.getrusage(resource.RUSAGE_SELF), self.exchange.ledger
        desks = [desk for one in ledger.accounts.values() for desk in (one.spot, one.usdm)]
        return {
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "max_rss_kb": used.ru_maxrss,
            "up_seconds": time.time() - self.began,
            "requests": self.door.requests,
            "refused": {str(code): count for code, count in self.door.refused.items()},
            "accounts": len(ledger.accounts),
            "orders": len(ledger.orders),
            "orders_this_run": self.exchange.placed,
            "duplicates": sum(len(desk.orders) - len(desk.by_client) for desk in desks),
            "open_orders": sum(len(desk.open) for desk in desks),
            "trades": sum(len(trades) for desk in desks for trades in desk.trades.values()),
            "sockets": len(self.door.sockets),
            "user_streams": sum(len(desk.streams) for desk in desks),
            "loops": getattr(self.source, "loops", 0),
        }

    def executions(self, asked: dict[str, Any]) -> Any:
        return self.exchange.executions(str(asked.get("label", "")))

    def list_accounts(self, asked: dict[str, Any]) -> Any:
        return [
            {
                "id": one.id,
                "api_key": one.key,
                "label": one.label,
                "orders": len(one.spot.orders) + len(one.usdm.orders),
                "streams": {SPOT: len(one.spot.streams), USDM: len(one.usdm.streams)},
            }
            for one in self.exchange.ledger.accounts.values()
        ]

    def limits(self, asked: dict[str, Any]) -> Any:
        """By market: the limits, and what each address used of them in this minute."""
        return {market: one.told() for market, one in self.exchange.limits.items()}

    # What shall be

    def set_limits(self, asked: dict[str, Any]) -> Any:
        """Other figures for a while: `market`, and any of `enforced`, `weight`, `orders` ({interval: limit})."""
        one = self.exchange.limits.get(str(asked.get("market")))
        if one is None:
            raise Wrong("market is spot or usdm")
        one.enforced = bool(asked.get("enforced", one.enforced))
        one.weight_a_minute = int(asked.get("weight", one.weight_a_minute))
        one.order_limits |= {
            name: int(limit) for name, limit in asked.get("orders", {}).items() if name in one.order_limits
        }
        return one.told()

    def restore_limits(self, asked: dict[str, Any]) -> Any:
        """The exchange's own figures again, and nothing used."""
        for one in self.exchange.limits.values():
            one.restore(enforced=self.enforced)
        return self.limits(asked)

    def accounts(self, asked: dict[str, Any]) -> Any:
        """One account, or many under `accounts`.

        A key trades and cannot withdraw, unless `withdraw` is true or `trade` is false.
        """
        rows = asked.get("accounts", [asked])
        made = [
            self.exchange.open_account(
                key=_text(row, "api_key"),
                secret=_text(row, "secret"),
                label=str(row.get("label", "")),
                spot=_amounts(row.get("spot", {})),
                usdm=_amounts(row.get("usdm", {})),
                may_trade=bool(row.get("trade", True)),
                may_withdraw=bool(row.get("withdraw", False)),
            )
            for row in rows
        ]
        return {"ids": [account.id for account in made]}

    def deposit(self, asked: dict[str, Any]) -> Any:
        account, market = self._account(asked), str(asked.get("market", SPOT))
        self.exchange.deposit(account, market, _text(asked, "asset"), _amount(asked, "amount"))
        return {}

    def faults(self, asked: dict[str, Any]) -> Any:
        """Lasting and counted faults, see faults.py; and those that happen once, now:

        drop_streams: connections are reset. half_open: streams open now stay open and never speak again.
        restart_streams: the exchange goes down in good order. expire_listen_keys: USD-M listen keys end.
        """
        label = str(asked.get("label") or "")
        lasting = {name: value for name, value in asked.items() if name not in self._once()}
        if lasting.keys() - {"label"}:
            self.exchange.faults.set(lasting)
        for name, do in self._once().items():
            if asked.get(name):
                do(label)
        return self.exchange.faults.as_dict()

    def _once(self) -> dict[str, Callable[[str], None]]:
        return {
            "drop_streams": self._reset,
            "half_open": self._mute,
            "restart_streams": self._restart,
            "expire_listen_keys": self._expire,
        }

    def list_faults(self, asked: dict[str, Any]) -> Any:
        return self.exchange.faults.as_dict()

    def clear_faults(self, asked: dict[str, Any]) -> Any:
        self.exchange.faults.clear(asked.get("label"))
        return self.exchange.faults.as_dict()

    def drop(self, asked: dict[str, Any]) -> Any:
        """Reset the streams of one key, or every socket."""
        if asked.get("api_key"):
            sockets = _sockets([self._account(asked)])
        else:
            sockets = list(self.door.sockets)
        for socket in sockets:
            socket.abort()
        return {"dropped": len(sockets)}

    def price(self, asked: dict[str, Any]) -> Any:
        """The best ask is `price`, the best bid a tick below, until set again; `bids` and `asks` give a whole book."""
        if self.source.name != "synthetic":
            raise Wrong(f"the {self.source.name} market sets its own prices; start with --market synthetic")
        name, price = _text(asked, "symbol"), _amount(asked, "price")
        bids, asks = (_book(asked.get(side, [])) for side in ("bids", "asks"))
        markets = [asked["market"]] if asked.get("market") else [SPOT, USDM]
        known = [market for market in markets if name in self.exchange.symbols.get(market, {})]
        if not known:
            raise Wrong(f"{name} is not a symbol of {' or '.join(markets)}")
        for market in known:
            self.source.pin((market, name), price, bids, asks)
        return {"symbol": name, "markets": known}

    def trade(self, asked: dict[str, Any]) -> Any:
        """The account trades, as its owner would in the exchange's own app; a market order unless a price is given.

        Answers the order with its trades; `at_us` is when it executed, in epoch microseconds.
        """
        account, market = self._account(asked), str(asked.get("market", SPOT))
        params = {"symbol": _text(asked, "symbol"), "side": _text(asked, "side").upper()}
        params |= {"quantity": str(asked["quantity"])} if "quantity" in asked else {}
        names = {"price": "price", "quote": "quoteOrderQty", "client_id": "newClientOrderId"}
        names |= {"position_side": "positionSide"}
        params |= {wire: str(asked[name]) for name, wire in names.items() if asked.get(name)}
        if asked.get("reduce_only"):
            params["reduceOnly"] = "true"
        params |= {"type": "LIMIT", "timeInForce": asked.get("tif", "GTC")} if "price" in params else {"type": "MARKET"}
        order: Order | None
        if market == SPOT:
            order = spot.place(self.exchange, account, params)
        else:
            order = usdm.place(self.exchange, account, params)
        assert order is not None
        return _told(order)

    def order(self, asked: dict[str, Any]) -> Any:
        """What came of a trade whose answer was lost: `order` as `/trade` answers it, null where there is none."""
        account = self._account(asked)
        order = account.desk(str(asked.get("market", SPOT))).by_client.get(_text(asked, "client_id"))
        return {"order": None if order is None else _told(order)}

    # Streams, once

    def _labelled(self, label: str) -> list[Account]:
        return [one for one in self.exchange.ledger.accounts.values() if one.label.startswith(label)]

    def _concerned(self, label: str) -> list[Socket]:
        return _sockets(self._labelled(label)) if label else list(self.door.sockets)

    def _reset(self, label: str) -> None:
        for socket in self._concerned(label):
            socket.abort()

    def _mute(self, label: str) -> None:
        for socket in self._concerned(label):
            socket.muted = True

    def _restart(self, label: str) -> None:
        for account in self._labelled(label):
            self.exchange.tell(account, SPOT, stream_terminated())
            account.spot.streams.clear()
            for socket in _sockets([account]):
                socket.close(1001)
        if not label:
            for socket in [one for one in self.door.sockets if one.on_text.__qualname__.startswith("Listener")]:
                socket.close(1001)

    def _expire(self, label: str) -> None:
        for account in self._labelled(label):
            rest_usdm.expire(self.exchange, account, tell=True)

    def _account(self, asked: dict[str, Any]) -> Account:
        account = self.exchange.ledger.by_key.get(_text(asked, "api_key"))
        if account is None:
            raise Wrong("no account has this api_key: POST /accounts makes one")
        return account


def _told(order: Order) -> dict[str, Any]:
    if order.symbol.market == SPOT:
        return shapes.spot_full(order) | {"at_us": order.at_us}
    trades = [shapes.usdm_trade(trade) for trade in order.trades]
    return shapes.usdm_order(order) | {"trades": trades, "at_us": order.at_us}


def _sockets(accounts: Iterable[Account]) -> list[Socket]:
    found = {stream.socket: None for one in accounts for desk in (one.spot, one.usdm) for stream in desk.streams}
    return list(found)


def _read(request: Request) -> dict[str, Any]:
    if request.method == "POST":
        try:
            asked = orjson.loads(request.body or b"{}")
        except orjson.JSONDecodeError as wrong:
            raise Wrong(f"the body is not JSON: {wrong}") from None
        if not isinstance(asked, dict):
            raise Wrong("the body must be a JSON object")
        return asked
    return dict(parse_qsl(request.query.decode("latin-1")))


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise Wrong(f"{name} must be a text")
    return value


def _amount(asked: dict[str, Any], name: str) -> int:
    value = asked.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    try:
        return units(value if isinstance(value, str) else "")
    except NotANumber:
        raise Wrong(f'{name} must be a decimal in a text, as in "0.015"') from None


def _amounts(asked: Any) -> dict[str, int]:
    if not isinstance(asked, dict):
        raise Wrong('balances are {"USDT": "1000"}')
    return {str(asset): _amount(asked, asset) for asset in asked}


def _book(rows: Any) -> list[tuple[int, int]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 2 for row in rows):
        raise Wrong('levels are [["60000", "0.5"], ...]')
    return [
        (_amount({"price": price}, "price"), _amount({"quantity": quantity}, "quantity")) for price, quantity in rows
    ]
