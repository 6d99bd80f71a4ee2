"""One symbol's order book: absolute levels in, fills out."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

Level = tuple[int, int]  # price, quantity; units of 1e-8


class Side:
    """Levels of one side, best first. Prices are kept negated for bids, so that both sides sort alike."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.quantities: dict[int, int] = {}
        self.order: list[int] = []
        self.changed: set[int] = set()  # keys touched since they were last told to anybody

    def set(self, price: int, quantity: int) -> None:
        """Make the level hold exactly `quantity`; 0 removes it."""
        key = price * self.sign
        self.changed.add(key)
        if quantity:
            if key not in self.quantities:
                insort(self.order, key)
            self.quantities[key] = quantity
        elif key in self.quantities:
            del self.quantities[key]
            del self.order[bisect_left(self.order, key)]

    def replace(self, levels: Iterable[Level]) -> None:
        self.changed.update(self.quantities)
        self.quantities = {price * self.sign: quantity for price, quantity in levels if quantity}
        self.changed.update(self.quantities)
        self.order = sorted(self.quantities)

    def top(self, price: int, quantity: int) -> None:
        """A faster feed says this is the best level: whatever stood before it is gone."""
        stale = bisect_left(self.order, price * self.sign)
        if stale:
            for key in self.order[:stale]:
                del self.quantities[key]
            self.changed.update(self.order[:stale])
            del self.order[:stale]
        self.set(price, quantity)

    @property
    def best(self) -> int | None:
        return self.order[0] * self.sign if self.order else None

    def drain(self) -> list[Level]:
        """The levels that changed since the last drain, 0 for those that are gone."""
        changes = [(key * self.sign, self.quantities.get(key, 0)) for key in sorted(self.changed)]
        self.changed.clear()
        return changes

    def levels(self, count: int) -> list[Level]:
        return [(key * self.sign, self.quantities[key]) for key in self.order[:count]]

    def reaches(self, limit: int) -> bool:
        """Whether the best level is at `limit` or better for the taker."""
        return bool(self.order) and self.order[0] <= limit * self.sign

    def take(self, quantity: int, limit: int | None) -> list[Level]:
        """The fills a taker of `quantity` gets, best first, no worse than `limit`; fewer when the book is thin.

        The book itself stays as it is: it mirrors a market that our orders do not move.
        """
        fills, worst = [], None if limit is None else limit * self.sign
        for key in self.order:
            if not quantity or (worst is not None and key > worst):
                break
            part = min(quantity, self.quantities[key])
            fills.append((key * self.sign, part))
            quantity -= part
        return fills

    def spend(self, amount: int, step: int) -> list[Level]:
        """The fills that at most `amount` of the quote asset buys or sells into, in whole steps."""
        fills = []
        for key in self.order:
            price = key * self.sign
            part = min(self.quantities[key], amount * 100_000_000 // price) // step * step
            if part:
                fills.append((price, part))
                amount -= price * part // 100_000_000
            if part < self.quantities[key] // step * step:
                break
        return fills


class Book:
    """Both sides and the update ids. A taker who buys takes from `asks`."""

    def __init__(self) -> None:
        self.bids, self.asks = Side(-1), Side(1)
        self.update_id = self.told_id = 0

    def against(self, side: str) -> Side:
        return self.asks if side == "BUY" else self.bids

    @property
    def mid(self) -> int | None:
        bid, ask = self.bids.best, self.asks.best
        return (bid + ask) // 2 if bid is not None and ask is not None else None
