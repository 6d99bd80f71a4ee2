"""What each subscription holds, as far as its signed orders tell, and what it has won or lost with it.

A close is set against what was opened last. What was closed without us (at the exchange by hand, by a stop that rests
there) is then never taken for a loss of ours: it stays at the bottom and is forgotten in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)
MOST_LOTS = 64


class Lot(NamedTuple):
    """A quantity, signed, and the dollars one unit of it cost."""

    qty: Decimal
    price: Decimal


Where = tuple[int, int, str]
"""(tenant, subscription, symbol)."""


class Holdings:
    """Lots by subscription and symbol, the last opened on top, and the result of everything closed by subscription."""

    def __init__(self) -> None:
        self._lots: dict[Where, list[Lot]] = {}
        self._results: dict[tuple[int, int], Decimal] = {}

    def result(self, key: tuple[int, int]) -> Decimal:
        """Dollars won (or, negative, lost) by what was closed."""
        return self._results.get(key, ZERO)

    def move(self, where: Where, *, qty: Decimal, price: Decimal, reduces: bool) -> Decimal:
        """An order over a signed quantity at a price in dollars. Returns the result of what it closed.

        :param reduces: what goes beyond what is held is dropped; otherwise it is held from now on
        """
        lots = self._lots.get(where, [])
        result, left = ZERO, qty
        while left and lots and lots[-1].qty * left < 0:
            lot = lots.pop()
            part = min(abs(lot.qty), abs(left)).copy_sign(lot.qty)
            result += part * (price - lot.price)
            left += part
            if lot.qty != part:
                lots.append(Lot(lot.qty - part, lot.price))
        if left and not reduces:
            self._push(lots, Lot(left, price))
        self._keep(where, lots)
        if result:
            self._results[where[:2]] = self.result(where[:2]) + result
        return result

    def undo(self, where: Where, *, qty: Decimal, price: Decimal, result: Decimal, opened: Decimal) -> None:
        """Take back a move, or a part of it: `opened` of it was held from then on, the rest closed with `result`."""
        lots = self._lots.get(where, [])
        left = opened
        while left and lots and lots[-1].qty * left > 0:
            lot = lots.pop()
            part = min(abs(lot.qty), abs(left)).copy_sign(lot.qty)
            left -= part
            if lot.qty != part:
                lots.append(Lot(lot.qty - part, lot.price))
        closed = qty - opened
        if closed:
            self._push(lots, Lot(-closed, price + result / closed))
        self._keep(where, lots)
        if result:
            self._results[where[:2]] = self.result(where[:2]) - result

    def replay_lot(self, where: Where, lot: Lot) -> None:
        """A lot from a snapshot."""
        self._lots.setdefault(where, []).append(lot)

    def replay_result(self, key: tuple[int, int], result: Decimal) -> None:
        """A result from a snapshot."""
        self._results[key] = result

    def lots(self) -> Iterator[tuple[Where, Lot]]:
        """All lots, those of one place from the bottom up."""
        return ((where, lot) for where, lots in self._lots.items() for lot in lots)

    def results(self) -> Iterator[tuple[tuple[int, int], Decimal]]:
        """All results."""
        return iter(self._results.items())

    def _push(self, lots: list[Lot], lot: Lot) -> None:
        if lots and lots[-1].price == lot.price and lots[-1].qty * lot.qty > 0:
            lots[-1] = Lot(lots[-1].qty + lot.qty, lot.price)
            return
        lots.append(lot)
        if len(lots) > MOST_LOTS:
            del lots[0]

    def _keep(self, where: Where, lots: list[Lot]) -> None:
        if lots:
            self._lots[where] = lots
        else:
            self._lots.pop(where, None)
