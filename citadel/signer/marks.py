"""Last prices as the egress heard them from the venues themselves. A worker has no say in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache

MAX_AGE_S = 30.0
"""Seconds without a word about a market after which its prices say nothing any more."""

DOLLARS = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USD1", "DAI", "USD")
"""Quote assets that are taken for a US dollar."""

OTHERS = ("BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "JPY", "GBP", "AUD", "SOL", "XRP", "DOGE", "TRX")

MAX_SYMBOLS = 20_000

Market = tuple[str, str, str]
"""(venue, market, environment)."""


class Marks:
    """Prices by market and symbol."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._prices: dict[Market, dict[str, Decimal]] = {}
        self._heard_at: dict[Market, float] = {}

    def hear(self, market: Market, prices: Mapping[str, str], *, whole: bool) -> None:
        """Take the prices of a market in. What is no positive number is left out, as if it had not been told.

        :param whole: these are all there are; otherwise those that have changed
        """
        known = {} if whole else self._prices.get(market, {})
        for symbol, text in prices.items():
            price = _positive(text)
            if price is not None and (symbol in known or len(known) < MAX_SYMBOLS):
                known[symbol] = price
        self._prices[market] = known
        self._heard_at[market] = self._clock()

    def of(self, market: Market, symbol: str) -> Decimal | None:
        """The price of a symbol in its own quote asset; None where none is known, or nothing was heard for long."""
        if self._clock() - self._heard_at.get(market, -MAX_AGE_S) >= MAX_AGE_S:
            return None
        return self._prices[market].get(symbol)

    def dollars(self, market: Market, symbol: str) -> Decimal | None:
        """What one unit of a symbol's quote asset is worth; None where that is not known."""
        quote = _quote(symbol)
        if quote is None or quote in DOLLARS:
            return None if quote is None else _ONE
        spot = (market[0], "spot", market[2])
        direct = self.of(spot, f"{quote}USDT")
        if direct is not None:
            return direct
        inverse = self.of(spot, f"USDT{quote}")
        return None if inverse is None else _ONE / inverse

    def count(self) -> int:
        """How many symbols have a price."""
        return sum(map(len, self._prices.values()))


_ONE = Decimal(1)


@lru_cache(maxsize=MAX_SYMBOLS)
def _quote(symbol: str) -> str | None:
    name = symbol.partition("_")[0]  # a delivery contract carries its date behind the pair
    return next((quote for quote in (*DOLLARS, *OTHERS) if name.endswith(quote) and name != quote), None)


def _positive(text: object) -> Decimal | None:
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price if price.is_finite() and price > 0 else None
