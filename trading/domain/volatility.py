"""How far a price moves on a usual day, from hourly candles."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal, localcontext
from itertools import pairwise
from typing import NamedTuple

HOUR_MS = 3_600_000
HOURS_A_DAY = 24
LEAST_CANDLES = 24
"""Fewer say nothing about a usual day."""

_PLACES = Decimal("1e-6")
_DIGITS = 28


class Candle(NamedTuple):
    """One whole hour: when it began, in epoch milliseconds, and the last price in it."""

    start_ms: int
    close: Decimal


def daily_move(candles: Sequence[Candle]) -> Decimal | None:
    """The standard deviation of a day's logarithmic return, as a part of the price; None from too few candles.

    From hourly returns u: s = sqrt(sum((u - mean)^2) / (n - 1)), and s * sqrt(24) for a day (J. C. Hull, Options,
    Futures, and Other Derivatives, "Estimating volatility from historical data"). An hour counts only behind the hour
    before it: a return over a gap is none of an hour.

    Reckoned in decimals of 28 digits and rounded once, up, to a millionth: a larger move makes a smaller copy.

    :param candles: oldest first
    """
    if len(candles) < LEAST_CANDLES or any(one.close <= 0 for one in candles):
        return None
    with localcontext(prec=_DIGITS):
        returns = [
            (after.close / before.close).ln()
            for before, after in pairwise(candles)
            if after.start_ms - before.start_ms == HOUR_MS
        ]
        if len(returns) < LEAST_CANDLES - 1:
            return None
        mean = sum(returns, Decimal(0)) / len(returns)
        spread = sum(((one - mean) ** 2 for one in returns), Decimal(0))
        deviation = (spread / (len(returns) - 1)).sqrt()
        return (deviation * Decimal(HOURS_A_DAY).sqrt()).quantize(_PLACES, ROUND_CEILING)
