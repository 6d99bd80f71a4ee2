"""Outcomes as followers read them: one row of words and figures for each order or denial.

The same row goes over the live feed and, read back from the tables, into the pages: what is seen live is what is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from obscura.core import clock
from obscura.core.money import BPS, plain
from trading.domain.order_state import Status
from trading.domain.reasons import in_words

_TENTH, _CENT, _SATOSHI = Decimal("0.1"), Decimal("0.01"), Decimal("1e-8")

OUTCOMES: Mapping[Status, str] = {
    Status.PLANNED: "waiting",
    Status.SENDING: "waiting",
    Status.UNSURE: "checking",
    Status.WORKING: "working",
    Status.PARTIAL: "partial",
    Status.FILLED: "copied",
    Status.CANCELED: "missed",
    Status.EXPIRED: "missed",
    Status.REJECTED: "rejected",
    Status.MISSED: "missed",
}

_REASONS: Mapping[Status, str] = {
    Status.UNSURE: "The exchange did not answer; we are asking it",
    Status.WORKING: "Waits at the exchange for its price",
    Status.MISSED: "Could not be placed while the trade was fresh",
    Status.CANCELED: "Cancelled at the exchange",
}


def cursor(moment: datetime) -> int:
    """Where a row stands in the feed: microseconds since the epoch of its last change."""
    return clock.micros(moment)


class LeadTrade(NamedTuple):
    """What all copies of one lead trade have in common."""

    pool: str
    symbol: str
    market: str
    side: str
    effect: str
    price: Decimal | None
    at: datetime

    def columns(self) -> dict[str, Any]:
        """The part of an outcome's row that is the same for every follower."""
        return {
            "pool": self.pool,
            "at": self.at.isoformat(timespec="microseconds"),
            "symbol": self.symbol,
            "market": self.market,
            "side": self.side,
            "effect": self.effect,
            "lead_price": plain(self.price) if self.price is not None else None,
        }


def order_row(
    *,
    lead: LeadTrade,
    columns: Mapping[str, Any] | None = None,
    id: int,
    user: str,
    cursor: int,
    status: Status,
    qty: Decimal,
    filled: Decimal,
    average: Decimal | None,
    accepted_at: datetime | None,
    words: str,
) -> dict[str, Any]:
    """One order's outcome; figures that are not known are None.

    :param columns: `lead.columns()`, where many rows share them
    :param cursor: where the row stands in the feed (`cursor()` of its last change)
    """
    outcome = OUTCOMES[status]
    if status in (Status.EXPIRED, Status.CANCELED) and filled:
        outcome = "partial"
    size = filled or qty
    price = average or lead.price
    difference = None
    if average and lead.price:
        # Positive is worse for the follower: dearer to buy, cheaper to sell.
        gap = average - lead.price if lead.side == "buy" else lead.price - average
        difference = plain((gap * BPS / lead.price).quantize(_TENTH))
    return {
        **(columns or lead.columns()),
        "id": f"o{id}",
        "user": user,
        "cursor": cursor,
        "qty": plain(size) if size else None,
        "usd": plain((size * price).quantize(_CENT)) if size and price else None,
        "price": plain(average.quantize(_SATOSHI)) if average is not None else None,
        "difference_bps": difference,
        "lag_ms": max(0, round((accepted_at - lead.at).total_seconds() * 1000)) if accepted_at else None,
        "outcome": outcome,
        "reason": words or (_REASONS.get(status, "") if outcome != "copied" else ""),
    }


def denial_row(
    *,
    lead: LeadTrade,
    columns: Mapping[str, Any] | None = None,
    id: int,
    user: str,
    at: datetime,
    reason: str,
    detail: Mapping[str, object],
) -> dict[str, Any]:
    """One denial's row; `columns` as for an order's."""
    return {
        **(columns or lead.columns()),
        "id": f"d{id}",
        "user": user,
        "cursor": cursor(at),
        "qty": None,
        "usd": None,
        "price": None,
        "difference_bps": None,
        "lag_ms": None,
        "outcome": "denied",
        "reason": in_words(reason, detail),
    }


def notice_row(*, id: int, user: str, pool: str, symbol: str, market: str, at: datetime, words: str) -> dict[str, Any]:
    """One notice's row: something that the follower is told, of no single trade."""
    return {
        "id": f"n{id}",
        "user": user,
        "pool": pool,
        "cursor": cursor(at),
        "at": at.isoformat(timespec="microseconds"),
        "symbol": symbol,
        "market": market,
        "side": "",
        "effect": "",
        "qty": None,
        "usd": None,
        "lead_price": None,
        "price": None,
        "difference_bps": None,
        "lag_ms": None,
        "outcome": "notice",
        "reason": words,
    }
