"""What must be known of a market before anything is sized: a price and the venue's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and ask of a symbol, and when they were seen."""

    bid: Decimal
    ask: Decimal
    at: datetime

    @property
    def middle(self) -> Decimal:
        """Half way between bid and ask: what is open is valued at it."""
        return (self.bid + self.ask) / 2


class Bracket(NamedTuple):
    """The highest leverage of positions worth up to `cap`, in the quote asset."""

    leverage: int
    cap: Decimal


UNBOUNDED = (Bracket(125, Decimal("1e18")),)
"""The brackets of a market that has none."""


@dataclass(frozen=True, slots=True)
class Rules:
    """A venue's rules for one symbol. Quantities in the base asset, prices and notionals in the quote asset."""

    tick: Decimal
    step: Decimal
    min_qty: Decimal
    max_qty: Decimal
    market_max_qty: Decimal
    min_notional: Decimal
    base: str
    quote: str
    reduce_exempt: bool = False
    """The venue lets a reduce-only order be smaller than its minimum."""
    brackets: Sequence[Bracket] = UNBOUNDED
    """Empty where they are not known: then nothing is opened at a leverage above one."""


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """Price and rules as one environment's venue has them; None is what is not known.

    :param daily_move: how far the price moves on a usual day, as a part of it
    """

    quote: Quote | None
    rules: Rules | None
    daily_move: Decimal | None = None
