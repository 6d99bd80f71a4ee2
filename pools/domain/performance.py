"""What following a pool has brought: from one figure a subscription and day to a curve, its deepest fall and a risk.

All of it is what followers got, after fees and misses, open copies included; not what the lead made. Who stopped
following counts for as long as he did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

MONTH = 30
CURVE_DAYS = 90
RISK_DAYS, LEAST_RISK_DAYS = 60, 10
CLOSED_DOOR = 8
"""From this risk on nobody new may follow."""

_YEAR = Decimal(365)
_TENTH = Decimal("0.01")

# The upper bounds of risks 1 to 9, in percent: of the yearly volatility, and of the deepest fall. Above the last: 10.
VOLATILITY_STEPS = tuple(map(Decimal, (5, 10, 20, 30, 45, 60, 80, 100, 130)))
FALL_STEPS = tuple(map(Decimal, (2, 5, 10, 15, 20, 30, 40, 50, 65)))


@dataclass(frozen=True, slots=True)
class Day:
    """Where one subscription stood at the end of a day, in USD.

    :param result: of everything since it began, open copies included
    """

    subscription: int
    day: date
    investment: Decimal
    result: Decimal


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """A pool's record. Percentages; None is what cannot be known yet.

    :param month: what followers gained or lost in the last 30 days, of what they had invested
    :param deepest_fall: from a peak to a bottom behind it, below zero
    :param risk: 1 to 10
    :param curve: 100 before the first day, then a value a day
    """

    month: Decimal | None
    deepest_fall: Decimal | None
    risk: int | None
    curve: tuple[Decimal, ...]


def record_of(days: Iterable[Day], *, today: date) -> PoolRecord:
    """The record that the days add up to."""
    with localcontext(prec=40):
        returns = daily_returns(days, today=today)
        curve = _curve([change for _, change in returns])
        fall = deepest_fall(curve)
        recent = [change for day, change in returns if day > today - timedelta(days=RISK_DAYS)]
        return PoolRecord(
            month=_month(returns, today),
            deepest_fall=None if len(curve) < 2 else fall,
            risk=risk_of(recent, fall=deepest_fall(_curve(recent))) if len(recent) >= LEAST_RISK_DAYS else None,
            curve=curve[-CURVE_DAYS:],
        )


def daily_returns(days: Iterable[Day], *, today: date) -> list[tuple[date, Decimal]]:
    """For each day what changed, as a part of what those who followed on it had invested.

    A subscription's first day counts from a result of nothing.
    """
    stood: dict[int, Decimal] = {}
    change: dict[date, Decimal] = defaultdict(Decimal)
    invested: dict[date, Decimal] = defaultdict(Decimal)
    for one in sorted(days, key=lambda each: (each.day, each.subscription)):
        if one.day > today:
            continue
        change[one.day] += one.result - stood.get(one.subscription, Decimal(0))
        invested[one.day] += one.investment
        stood[one.subscription] = one.result
    return [(day, change[day] / invested[day]) for day in sorted(change) if invested[day] > 0]


def deepest_fall(curve: Sequence[Decimal]) -> Decimal:
    """The largest loss from a peak to a later bottom, in percent, 0 or below."""
    highest, deepest = Decimal(0), Decimal(0)
    for value in curve:
        highest = max(highest, value)
        if highest > 0:
            deepest = min(deepest, (value / highest - 1) * 100)
    return deepest.quantize(_TENTH, ROUND_HALF_EVEN)


def risk_of(returns: Sequence[Decimal], *, fall: Decimal) -> int:
    """1 to 10: the worse of how much the days differ (standard deviation, over a year) and how deep it fell.

    The volatility is the sample's standard deviation of daily returns times the square root of 365: crypto trades on
    every day of the year.
    """
    mean = sum(returns, Decimal(0)) / len(returns)
    variance = sum(((one - mean) ** 2 for one in returns), Decimal(0)) / (len(returns) - 1)
    volatility = (variance * _YEAR).sqrt() * 100
    return max(_step(volatility, VOLATILITY_STEPS), _step(-fall, FALL_STEPS))


def _step(value: Decimal, bounds: Sequence[Decimal]) -> int:
    return 1 + sum(value > bound for bound in bounds)


def _curve(changes: Sequence[Decimal]) -> tuple[Decimal, ...]:
    value, curve = Decimal(100), [Decimal(100)]
    for change in changes:
        value = max(value * (1 + change), Decimal(0))
        curve.append(value.quantize(Decimal("0.0001"), ROUND_HALF_EVEN))
    return tuple(curve) if changes else ()


def _month(returns: Sequence[tuple[date, Decimal]], today: date) -> Decimal | None:
    since = today - timedelta(days=MONTH)
    if not returns or returns[0][0] > since:
        return None
    value = Decimal(1)
    for day, change in returns:
        if day > since:
            value *= 1 + change
    return ((value - 1) * 100).quantize(_TENTH, ROUND_HALF_EVEN)
