"""The venue itself: books, ledger and journal in one place, and the one way an order becomes real."""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from . import reports
from .amounts import full
from .book import Book, Level
from .faults import Faults
from .journal import Journal
from .ledger import Account, Desk, Ledger, Order, Trade
from .limits import both
from .symbols import SPOT, Symbol
from .wanted import Wanted

Key = tuple[str, str]  # market, symbol


class Exchange:
    """State and the few verbs that change it. Everything runs on one event loop, so nothing here awaits."""

    def __init__(self, *, symbols: dict[str, dict[str, Symbol]], folder: Path, enforced: bool = True) -> None:
        self.symbols, self.limits, self.faults = symbols, both(enforced=enforced), Faults()
        self.books: dict[Key, Book] = {}
        self.last: dict[Key, int] = {}
        self.ledger, self.journal = Ledger(symbols), Journal(folder)
        for entry in self.journal.replay():
            self.ledger.apply(entry)
        self.ledger.recover()
        # Ids grow with the clock, so that they stay unique when the folder is emptied: ten microseconds an id.
        self.ledger.last_id = max(self.ledger.last_id, time.time_ns() // 10_000)
        self.resting: dict[Key, dict[str, list[tuple[int, int]]]] = {}
        for order in self.ledger.resting():
            self._keep(order)
        self.placed = 0
        self.source = ""  # capture, synthetic or live

    # Market

    def book(self, key: Key) -> Book:
        found = self.books.get(key)
        if found is None:
            found = self.books[key] = Book()
        return found

    def price(self, key: Key) -> int | None:
        """The last trade's price, else the middle of the book; None when neither is known."""
        last = self.last.get(key)
        if last is None and key in self.books:
            return self.books[key].mid
        return last

    def moved(self, key: Key) -> None:
        """The book changed: resting orders that the market reached are filled at their own price."""
        waiting = self.resting.get(key)
        if not waiting:
            return
        book = self.books[key]
        for side, orders in waiting.items():
            opposite = book.against(side)
            for entry in list(orders):
                order = self.ledger.orders[entry[1]]
                if not opposite.reaches(order.price):
                    break
                self._fill_resting(order, opposite.take(order.left, order.price))

    def _fill_resting(self, order: Order, levels: Iterable[Level]) -> None:
        quantity = sum(part for _, part in levels)
        if order.closes:
            held = order.account.position(order.symbol.name, order.position_side).amount
            closable = max(0, -held if order.side == "BUY" else held)
            if not closable:
                self.end(order, "EXPIRED")
                return
            quantity = min(quantity, closable)
        if not quantity:
            return
        at_ms, id = reports.now_ms(), self.ledger.next_id()
        self.journal.write(["fill", order.id, id, order.price, quantity, at_ms])
        trade = self.ledger.fill(order, id, order.price, quantity, at_ms, True)
        if not order.left:
            self._forget(order)
        self._tell(order, [trade], new=False)

    def _keep(self, order: Order) -> None:
        sides = self.resting.setdefault((order.symbol.market, order.symbol.name), {"BUY": [], "SELL": []})
        insort(sides[order.side], (-order.price if order.side == "BUY" else order.price, order.id))

    def _forget(self, order: Order) -> None:
        sides = self.resting.get((order.symbol.market, order.symbol.name))
        entry = (-order.price if order.side == "BUY" else order.price, order.id)
        if sides and entry in sides[order.side]:
            sides[order.side].remove(entry)

    # Orders

    def commit(self, account: Account, wanted: Wanted, fills: list[Level], end: str) -> Order:
        """Make an order real: into the journal, then into the ledger, then onto the streams.

        `end` is the status it ends with when the fills do not complete it; empty lets the rest wait in the book.
        """
        ledger, symbol = self.ledger, wanted.symbol
        at_us = time.time_ns() // 1_000
        row = (
            wanted.side, wanted.type, wanted.tif, wanted.quantity, wanted.price, wanted.client_id, at_us,
            wanted.reduce_only, wanted.position_side, wanted.quote_quantity,
        )  # fmt: skip
        id = ledger.next_id()
        taken = [(ledger.next_id(), price, quantity) for price, quantity in fills]
        self.journal.write(["order", account.id, symbol.market, id, symbol.name, row, taken, end])
        order = ledger.add_order(account, symbol.market, id, symbol.name, row)
        trades = [ledger.fill(order, one, price, quantity, order.updated_ms, False) for one, price, quantity in taken]
        if end:
            ledger.end(order, end, order.updated_ms)
        elif order.left:
            ledger.rest(order)
            self._keep(order)
        self.placed += 1
        if account.desk(symbol.market).streams:
            self._tell(order, trades, new=True, expired=end == "EXPIRED")
        return order

    def end(self, order: Order, status: str, *, cancel_id: str = "") -> None:
        """Cancel or expire what rests."""
        at_ms = reports.now_ms()
        self.journal.write(["end", order.id, status, at_ms])
        self.ledger.end(order, status, at_ms)
        self._forget(order)
        account, market = order.account, order.symbol.market
        if market == SPOT:
            named: dict[str, Any] = {"client_id": cancel_id} if cancel_id else {}
            self.tell(account, SPOT, reports.execution_report(order, status, **named))
            self.tell(account, SPOT, reports.account_position(account, (order.symbol.base, order.symbol.quote)))
        else:
            self.tell(account, market, reports.order_trade_update(order, status))

    def reject(self, account: Account, wanted: Wanted, reason: str) -> None:
        """The engine refused an order that the gateway had let through: streams hear of it, nothing is kept."""
        desk = account.desk(wanted.symbol.market)
        if not desk.streams or wanted.symbol.market != SPOT:
            return
        row = (
            wanted.side, wanted.type, wanted.tif, wanted.quantity, wanted.price, wanted.client_id,
            time.time_ns() // 1_000, False, "BOTH", wanted.quote_quantity,
        )  # fmt: skip
        order = Order(self.ledger.next_id(), account, wanted.symbol, row)
        order.status = "REJECTED"
        self.tell(
            account, SPOT, reports.execution_report(order, "REJECTED", reason=reports.REASONS.get(reason, "NONE"))
        )

    def settle(self, account: Account, name: str, symbol: str, value: Any) -> None:
        """Change a setting or a balance, journal first."""
        self.journal.write(["set", account.id, name, symbol, value])
        self.ledger.set(account, name, symbol, value)

    # News

    def tell(self, account: Account, market: str, event: dict[str, Any]) -> None:
        """One event to every stream of the account on that market."""
        desk: Desk = account.desk(market)
        if desk.streams:
            text = orjson.dumps(event)
            for stream in list(desk.streams):
                stream.deliver(text)

    def _tell(self, order: Order, trades: list[Trade], *, new: bool, expired: bool = False) -> None:
        account, symbol = order.account, order.symbol
        if symbol.market == SPOT:
            if new:
                self.tell(account, SPOT, reports.execution_report(order, "NEW", upto=(0, 0, "NEW")))
            for trade, upto in reports.partial_sums(order, trades):
                self.tell(account, SPOT, reports.execution_report(order, "TRADE", trade, upto=upto))
            if expired:
                self.tell(account, SPOT, reports.execution_report(order, "EXPIRED"))
            self.tell(account, SPOT, reports.account_position(account, (symbol.base, symbol.quote)))
            return
        if new:
            self.tell(account, symbol.market, reports.order_trade_update(order, "NEW", upto=(0, 0, "NEW")))
        for trade, upto in reports.partial_sums(order, trades):
            self.tell(account, symbol.market, reports.trade_lite(order, trade))
            self.tell(account, symbol.market, self._account_update(order))
            self.tell(account, symbol.market, reports.order_trade_update(order, "TRADE", trade, upto=upto))
        if expired:
            self.tell(account, symbol.market, reports.order_trade_update(order, "EXPIRED"))

    def _account_update(self, order: Order) -> dict[str, Any]:
        name = order.symbol.name
        mark = self.price((order.symbol.market, name))
        marks = {} if mark is None else {name: mark}
        return reports.account_update(order.account, [(name, order.position_side)], marks, "ORDER")

    # Accounts

    def open_account(
        self,
        *,
        key: str,
        secret: str,
        label: str,
        spot: dict[str, int],
        usdm: dict[str, int],
        may_trade: bool = True,
        may_withdraw: bool = False,
    ) -> Account:
        """A new account, or a known key with new secret, label and balances; on disk when this returns."""
        known = self.ledger.by_key.get(key)
        id = known.id if known else max(self.ledger.accounts, default=0) + 1
        may = [may_trade, may_withdraw]
        self.journal.write(["account", id, key, secret, label, spot, usdm, may])
        account = self.ledger.open_account(id, key, secret, label, spot, usdm, may)
        self.tell(account, SPOT, reports.account_position(account, spot))
        return account

    def deposit(self, account: Account, market: str, asset: str, amount: int) -> None:
        """Add to a balance; spot streams get a `balanceUpdate`."""
        self.settle(account, "deposit", asset, [market, amount])
        if market == SPOT:
            self.tell(account, SPOT, reports.balance_update(asset, amount))
            self.tell(account, SPOT, reports.account_position(account, (asset,)))
        else:
            self.tell(account, market, reports.account_update(account, (), {}, "DEPOSIT", amount))

    def executions(self, label: str) -> dict[str, dict[str, Any]]:
        """How often each client order id was executed, when (epoch microseconds) and for whom.

        An id that several accounts used is one row each: the account's key is part of the row's name then.
        """
        rows: dict[str, dict[str, Any]] = {}
        for account in self.ledger.accounts.values():
            if not account.label.startswith(label):
                continue
            for desk in (account.spot, account.usdm):
                for order in desk.orders.values():
                    name = order.client_id
                    if name in rows and rows[name]["api_key"] != account.key:
                        name = f"{name}@{account.key}"
                    row = rows.setdefault(
                        name, {"count": 0, "times": [], "api_key": account.key, "label": account.label, "orders": []}
                    )
                    row["count"] += 1
                    row["times"].append(order.at_us)
                    row["orders"].append(
                        [order.symbol.market, order.symbol.name, order.side, full(order.filled), order.status]
                    )
        return rows
