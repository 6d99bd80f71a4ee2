"""The venue's state: accounts, orders, trades, positions. Changed here alone, live and on replay by the same calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .amounts import ONE, rounded_ratio, times
from .symbols import SPOT, USDM, Symbol

LIVE = frozenset({"NEW", "PARTIALLY_FILLED"})
SPOT_FEE = 1_000  # one part in so many: 0.1 % of the asset received
USDM_FEE = 2_000  # 0.05 % of the notional, in USDT
DEFAULT_LEVERAGE = 20


class Order:
    """One order. Amounts in units of 1e-8; `at_us` is when the venue executed it, in epoch microseconds."""

    __slots__ = (
        "id", "account", "symbol", "side", "type", "tif", "quantity", "price", "client_id", "at_us", "updated_ms",
        "reduce_only", "position_side", "quote_quantity", "status", "filled", "cost", "locked", "trades",
    )  # fmt: skip

    def __init__(self, id: int, account: Account, symbol: Symbol, row: Sequence[Any]) -> None:
        self.id, self.account, self.symbol = id, account, symbol
        self.side: str
        self.quantity: int
        self.reduce_only: bool
        self.position_side: str
        (
            self.side, self.type, self.tif, self.quantity, self.price, self.client_id, self.at_us,
            self.reduce_only, self.position_side, self.quote_quantity,
        ) = row  # fmt: skip
        self.status, self.filled, self.cost, self.locked = "NEW", 0, 0, 0
        self.updated_ms = self.at_us // 1000
        self.trades: list[Trade] = []

    @property
    def left(self) -> int:
        return self.quantity - self.filled

    @property
    def average(self) -> int:
        return rounded_ratio(self.cost, self.filled)

    @property
    def closes(self) -> bool:
        """It may only make a position smaller: reduce-only, or the closing side in hedge mode."""
        hedged = self.position_side != "BOTH"
        return self.reduce_only or hedged and (self.side == "SELL") == (self.position_side == "LONG")


class Trade:
    """One fill of one order at one price."""

    __slots__ = ("id", "order", "price", "quantity", "quote", "fee", "fee_asset", "at_ms", "maker", "realized")

    def __init__(self, id: int, order: Order, price: int, quantity: int, at_ms: int, maker: bool) -> None:
        self.id, self.order, self.price, self.quantity, self.at_ms, self.maker = (
            id, order, price, quantity, at_ms, maker,
        )  # fmt: skip
        self.quote, self.fee, self.fee_asset, self.realized = times(price, quantity), 0, "", 0


class Position:
    """A USD-M position: signed amount, what it cost (price x quantity, not rounded), isolated margin if any."""

    __slots__ = ("amount", "cost", "isolated", "updated_ms")

    def __init__(self) -> None:
        self.amount = self.cost = self.isolated = self.updated_ms = 0

    @property
    def entry(self) -> int:
        size = abs(self.amount)
        return (2 * self.cost + size) // (2 * size) if size else 0

    def pnl(self, mark: int) -> int:
        worth = abs(self.amount) * mark - self.cost
        return (worth if self.amount > 0 else -worth) // ONE


class Conditional:
    """An order that waits for a price. It is NEW until then; what becomes of its order is told as its own status."""

    __slots__ = (
        "id", "account", "symbol", "side", "type", "tif", "quantity", "price", "trigger", "client_id", "at_ms",
        "working", "reduce_only", "whole", "position_side", "activate", "callback", "kept", "updated_ms",
        "triggered_ms", "order", "reason", "best",
    )  # fmt: skip

    def __init__(self, id: int, account: Account, symbol: Symbol, row: Sequence[Any]) -> None:
        self.id, self.account, self.symbol = id, account, symbol
        (
            self.side, self.type, self.tif, self.quantity, self.price, self.trigger, self.client_id, self.at_ms,
            self.working, self.reduce_only, self.whole, self.position_side, self.activate, self.callback,
        ) = row  # fmt: skip
        self.kept, self.updated_ms, self.triggered_ms, self.reason, self.best = "NEW", self.at_ms, 0, "", 0
        self.order: Order | None = None

    @property
    def status(self) -> str:
        """TRIGGERED while its order works, FINISHED when that has ended."""
        if self.kept == "TRIGGERED" and self.order is not None and self.order.status not in LIVE:
            return "FINISHED"
        return self.kept


class Desk:
    """An account's orders and trades on one market, and the streams that listen to them."""

    __slots__ = ("orders", "by_client", "open", "trades", "streams")

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.by_client: dict[str, Order] = {}  # the latest order of that client id
        self.open: dict[int, Order] = {}
        self.trades: dict[str, list[Trade]] = {}
        self.streams: dict[Any, None] = {}


class Account:
    """Keys, balances and settings of one account; it trades spot and USD-M."""

    def __init__(self, id: int, key: str, secret: str, label: str) -> None:
        self.id, self.key, self.secret, self.label = id, key, secret.encode(), label
        self.balances: dict[str, list[int]] = {}  # asset: [free, locked]
        self.wallet: dict[str, int] = {}
        self.positions: dict[tuple[str, str], Position] = {}
        self.leverage: dict[str, int] = {}
        self.isolated: set[str] = set()
        self.hedged = False
        self.may_trade, self.may_withdraw = True, False  # what the key is allowed to do
        self.spot, self.usdm = Desk(), Desk()
        self.conditionals: dict[int, Conditional] = {}
        self.conditional_by_client: dict[str, Conditional] = {}  # the latest of that client id
        self.listen_key: str | None = None
        self.listen_until = 0.0
        self.updated_ms = 0

    def desk(self, market: str) -> Desk:
        return self.spot if market == SPOT else self.usdm

    def balance(self, asset: str) -> list[int]:
        held = self.balances.get(asset)
        if held is None:
            held = self.balances[asset] = [0, 0]
        return held

    def position(self, symbol: str, side: str) -> Position:
        held = self.positions.get((symbol, side))
        if held is None:
            held = self.positions[symbol, side] = Position()
        return held

    def leverage_of(self, symbol: str) -> int:
        return self.leverage.get(symbol, DEFAULT_LEVERAGE)


class Ledger:
    """All accounts by id and key; every order and trade has an id that is never given twice."""

    def __init__(self, symbols: dict[str, dict[str, Symbol]]) -> None:
        self.symbols = symbols
        self.accounts: dict[int, Account] = {}
        self.by_key: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        self.conditionals: dict[int, Conditional] = {}
        self.conditional: dict[str, dict[int, Conditional]] = {}  # those that wait, by USD-M symbol
        self.last_id = 0

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def open_account(
        self,
        id: int,
        key: str,
        secret: str,
        label: str,
        spot: dict[str, int],
        wallet: dict[str, int],
        may: Sequence[bool] = (True, False),
    ) -> Account:
        """A new account; with a known id its keys and label change and the balances given are set."""
        account = self.accounts.get(id)
        if account is None:
            account = self.accounts[id] = Account(id, key, secret, label)
        self.by_key.pop(account.key, None)
        account.key, account.secret, account.label = key, secret.encode(), label
        account.may_trade, account.may_withdraw = may
        self.by_key[key] = account
        for asset, free in spot.items():
            account.balance(asset)[0] = free
        account.wallet.update(wallet)
        return account

    def add_order(self, account: Account, market: str, id: int, symbol: str, row: Sequence[Any]) -> Order:
        order = Order(id, account, self.symbols[market][symbol], row)
        self.last_id = max(self.last_id, id)
        desk = account.desk(market)
        desk.orders[id] = desk.by_client[order.client_id] = self.orders[id] = desk.open[id] = order
        account.updated_ms = order.updated_ms
        return order

    def rest(self, order: Order) -> None:
        """The order stays in the book: what it may still need is locked."""
        if order.symbol.market == SPOT:
            order.locked = times(order.price, order.left) if order.side == "BUY" else order.left
            held = order.account.balance(order.symbol.quote if order.side == "BUY" else order.symbol.base)
            held[0] -= order.locked
            held[1] += order.locked

    def fill(self, order: Order, id: int, price: int, quantity: int, at_ms: int, maker: bool) -> Trade:
        """One fill: order, balances or position move together. `maker` says that the order was resting."""
        trade = Trade(id, order, price, quantity, at_ms, maker)
        self.last_id = max(self.last_id, id)
        if order.symbol.market == SPOT:
            _settle_spot(order, trade)
        else:
            _settle_usdm(order, trade)
        order.filled += quantity
        order.cost += trade.quote
        order.updated_ms = order.account.updated_ms = at_ms
        order.status = "PARTIALLY_FILLED"
        order.trades.append(trade)
        order.account.desk(order.symbol.market).trades.setdefault(order.symbol.name, []).append(trade)
        if order.filled == order.quantity:
            self.end(order, "FILLED", at_ms)
        return trade

    def end(self, order: Order, status: str, at_ms: int) -> None:
        """The order leaves the book; what was still locked is free again."""
        order.status, order.updated_ms = status, at_ms
        order.account.desk(order.symbol.market).open.pop(order.id, None)
        if order.locked:
            held = order.account.balance(order.symbol.quote if order.side == "BUY" else order.symbol.base)
            held[1] -= order.locked
            held[0] += order.locked
            order.locked = 0

    def add_conditional(self, account: Account, id: int, symbol: str, row: Sequence[Any]) -> Conditional:
        one = Conditional(id, account, self.symbols[USDM][symbol], row)
        self.last_id = max(self.last_id, id)
        account.conditionals[id] = account.conditional_by_client[one.client_id] = self.conditionals[id] = one
        self.conditional.setdefault(symbol, {})[id] = one
        return one

    def move_conditional(self, one: Conditional, status: str, at_ms: int, order_id: int, reason: str) -> None:
        one.kept, one.updated_ms, one.reason = status, at_ms, reason
        if status == "TRIGGERING":
            one.triggered_ms = at_ms
        if order_id:
            one.order = self.orders[order_id]
        self.conditional[one.symbol.name].pop(one.id, None)

    def recover(self) -> None:
        """After a crash in the midst of one that was reached: it became an order, or it waits on."""
        for one in self.conditionals.values():
            if one.kept == "TRIGGERING":
                order = one.account.usdm.by_client.get(one.client_id)
                if order is not None and order.at_us // 1000 >= one.triggered_ms:
                    one.kept, one.order = "TRIGGERED", order
                else:
                    one.kept = "NEW"
                    self.conditional.setdefault(one.symbol.name, {})[one.id] = one

    def set(self, account: Account, name: str, symbol: str, value: Any) -> None:
        if name == "leverage":
            account.leverage[symbol] = value
        elif name == "isolated":
            (account.isolated.add if value else account.isolated.discard)(symbol)
        elif name == "hedged":
            account.hedged = value
        elif name == "deposit":
            if value[0] == SPOT:
                account.balance(symbol)[0] += value[1]
            else:
                account.wallet[symbol] = account.wallet.get(symbol, 0) + value[1]

    def apply(self, entry: list) -> None:
        """One journal line: the same calls as when it was written."""
        kind, *rest = entry
        if kind == "account":
            self.open_account(*rest)
        elif kind == "order":
            account, market, id, symbol, row, fills, end = rest
            order = self.add_order(self.accounts[account], market, id, symbol, row)
            for trade, price, quantity in fills:
                self.fill(order, trade, price, quantity, order.updated_ms, False)
            if end:
                self.end(order, end, order.updated_ms)
            elif order.left:
                self.rest(order)
        elif kind == "fill":
            id, trade, price, quantity, at_ms = rest
            self.fill(self.orders[id], trade, price, quantity, at_ms, True)
        elif kind == "end":
            id, status, at_ms = rest
            self.end(self.orders[id], status, at_ms)
        elif kind == "conditional":
            account, id, symbol, row = rest
            self.add_conditional(self.accounts[account], id, symbol, row)
        elif kind == "moved":
            id, status, at_ms, order_id, reason = rest
            self.move_conditional(self.conditionals[id], status, at_ms, order_id, reason)
        elif kind == "set":
            account, name, symbol, value = rest
            self.set(self.accounts[account], name, symbol, value)
        else:
            raise ValueError(f"journal: unknown kind {kind!r}")

    def resting(self) -> Iterator[Order]:
        for account in self.accounts.values():
            yield from account.spot.open.values()
            yield from account.usdm.open.values()


def _settle_spot(order: Order, trade: Trade) -> None:
    """Fees are taken from the asset received; a resting order pays from what it had locked."""
    account, symbol = order.account, order.symbol
    base, quote = account.balance(symbol.base), account.balance(symbol.quote)
    pocket = 1 if trade.maker else 0
    if order.side == "BUY":
        trade.fee, trade.fee_asset = trade.quantity // SPOT_FEE, symbol.base
        base[0] += trade.quantity - trade.fee
        quote[pocket] -= trade.quote
        order.locked -= trade.quote * pocket
    else:
        trade.fee, trade.fee_asset = trade.quote // SPOT_FEE, symbol.quote
        base[pocket] -= trade.quantity
        quote[0] += trade.quote - trade.fee
        order.locked -= trade.quantity * pocket


def _settle_usdm(order: Order, trade: Trade) -> None:
    """What is against the position closes it first; the rest opens at the trade's price."""
    account, name = order.account, order.symbol.name
    position = account.position(name, order.position_side)
    direction = 1 if order.side == "BUY" else -1
    opening = trade.quantity
    if position.amount * direction < 0:
        size = abs(position.amount)
        closing = min(opening, size)
        part = position.cost * closing // size
        trade.realized = -direction * (trade.price * closing - part) // ONE
        position.isolated -= position.isolated * closing // size
        position.cost -= part
        position.amount += direction * closing
        opening -= closing
    if opening:
        position.amount += direction * opening
        position.cost += trade.price * opening
        if name in account.isolated:
            position.isolated += times(trade.price, opening) // account.leverage_of(name)
    position.updated_ms = trade.at_ms
    trade.fee, trade.fee_asset = trade.quote // USDM_FEE, "USDT"
    account.wallet["USDT"] = account.wallet.get("USDT", 0) + trade.realized - trade.fee


__all__ = ["LIVE", "SPOT", "USDM", "Account", "Conditional", "Desk", "Ledger", "Order", "Position", "Trade"]
