"""How far each symbol moves on a usual day, from the venue's own candles, kept where every process reads it."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import orjson

from trading.domain.volatility import Candle, daily_move

INTERVAL = "1h"
CANDLES = 7 * 24 + 1
"""A week of hours, and the one that is not over yet."""

REFRESH_S = 3600.0
RETRY_S = 300.0
"""Where nothing could be said, or the venue did not answer."""

PAUSE_S = 0.5
"""Between two questions: prices and orders come first."""


async def read(exchange: Any, *, market: str, symbol: str, now_ms: int) -> Decimal | None:
    """How far the symbol moves on a usual day; None where the venue has too few candles.

    :raises ccxt.BaseError: the venue did not answer
    """
    ask = exchange.public_get_klines if market == "spot" else exchange.fapipublic_get_klines
    rows = await ask({"symbol": symbol, "interval": INTERVAL, "limit": CANDLES})
    # As the venue wrote them: ccxt's own candles are floats. The last one is still being made.
    return daily_move([Candle(int(row[0]), Decimal(str(row[4]))) for row in rows if int(row[6]) < now_ms])


def body(move: Decimal) -> bytes:
    """What is kept of it."""
    return orjson.dumps({"move": format(move, "f"), "at": time.time()})


class Timetable:
    """Which symbol is asked for next."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def next(self, symbols: frozenset[str] | set[str], now: float) -> str | None:
        """The symbol that is overdue the longest; None where none is."""
        waiting = [(self._due.get(symbol, 0.0), symbol) for symbol in symbols]
        due = [one for one in waiting if one[0] <= now]
        return min(due)[1] if due else None

    def asked(self, symbol: str, now: float, *, known: bool) -> None:
        """It was asked for."""
        self._due[symbol] = now + (REFRESH_S if known else RETRY_S)
