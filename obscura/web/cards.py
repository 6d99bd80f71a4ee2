"""Values of the services as the templates read them: pools, subscriptions and outcomes in cards and rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from obscura.core.money import ZERO
from pools.types import STOPPED_WORDS, PoolRecord, PoolRef, SubscriptionRef, in_short
from trading.services import CopyCounts, OpenHolding, Position

VENUE = "Binance"
QUOTES = ("USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR")
STATES = {"active": "active", "paused": "paused", "closing": "stopped", "ended": "stopped"}
STOPPING = "Nothing new is opened. What is open closes with the lead."


def pool_card(pool: PoolRef, *, followed: Iterable[str] = (), record: PoolRecord | None = None) -> dict[str, Any]:
    """A pool for templates/pools/_card.html. What its record does not tell yet is not made up."""
    leads = [one.name for one in pool.traders]
    return {
        "id": pool.id,
        "name": pool.name,
        "lead": leads[0] if len(leads) == 1 else f"{len(leads)} leads" if leads else "No lead yet",
        "venue": VENUE,
        "summary": pool.description,
        "kind": pool.kind,
        "status": pool.status,
        "proven": False,
        "environment": "paper" if any(one.environment == "paper" for one in pool.traders) else "live",
        "following": str(pool.id) in set(followed),
        "followers": pool.followers,
        "risk_class": pool.risk_class,
        "fee": pool.fee_percentage,
        "performance": _performance(record),
    }


def _performance(record: PoolRecord | None) -> dict[str, Any] | None:
    if record is None or len(record.curve) < 2:
        return None
    return {
        "followers_30d": record.month,
        "deepest_fall": record.deepest_fall,
        "risk": record.risk,
        "curve": record.curve,
    }


def subscription_card(
    one: SubscriptionRef, *, counts: CopyCounts, holdings: Iterable[OpenHolding] = (), notices: Iterable[str] = ()
) -> dict[str, Any]:
    """A subscription for templates/subscriptions/_card.html."""
    stopping = one.status == "closing"
    return {
        "id": one.id,
        "pool_id": one.pool_id,
        "pool_name": one.pool_name,
        "account": one.account_label,
        "environment": one.environment,
        "state": STATES[one.status],
        "state_reason": _why(one) or (STOPPING if stopping else ""),
        "style": in_short(one.style),
        "investment": one.terms.total_investment,
        "ready_to_lose": one.terms.max_loss,
        "in_use": one.invested + one.reserved,
        "lost": max(-one.realised, ZERO),
        "result": one.realised if counts.copied else None,
        "daily_loss": one.terms.daily_loss_limit,
        "lost_today": max(-one.today_realised, ZERO),
        "profit_target": one.terms.profit_target,
        "copied": counts.copied,
        "not_copied": counts.not_copied,
        "since": one.created_at,
        "notices": list(notices),
        "holdings": [holding_line(held) for held in holdings],
    }


def holding_line(held: OpenHolding) -> dict[str, Any]:
    """Something open for templates/subscriptions/_card.html."""
    return {
        "symbol": _named(held.symbol, held.market),
        "short": held.qty < 0,
        "qty": abs(held.qty),
        "cost": abs(held.cost),
        "key": f"{held.market}:{held.symbol}",
        "stops": [{"takes": kind == "take", "price": price} for kind, price in held.stops],
    }


def position_line(line: Position) -> dict[str, Any]:
    """A position of a preview for templates/subscriptions/_positions.html."""
    return {
        "key": line.key,
        "symbol": _named(line.symbol, line.market),
        "lead": line.lead,
        "step": line.step,
        "lead_short": line.lead_qty < 0,
        "lead_qty": abs(line.lead_qty),
        "short": line.qty < 0,
        "qty": abs(line.qty),
        "would": line.would,
        "cost": line.cost,
        "price": line.price,
        "reason": line.reason,
        "asks": line.asks,
        "possible": line.possible,
    }


def _named(symbol: str, market: str) -> str:
    return pair(symbol) + (" perp" if market == "usdm" else "")


def _why(one: SubscriptionRef) -> str:
    """Why it is paused: in its own words, else in those of the limit that did it."""
    if one.reason or not one.stopped_by:
        return one.reason
    return f"{STOPPED_WORDS.get(one.stopped_by, 'A limit was reached')}."


def copy_row(row: Mapping[str, Any], pool_names: Mapping[str, str]) -> dict[str, Any]:
    """A row of trading.copies, from the tables or from the feed, for templates/copies/_row.html."""
    return {
        "id": row["id"],
        "cursor": row["cursor"],
        "at": datetime.fromisoformat(row["at"]),
        "pool_name": pool_names.get(row["pool"], ""),
        "symbol": pair(row["symbol"]),
        "perpetual": row["market"] == "usdm",
        "side": row["side"],
        "closes": row["effect"] == "close",
        "size": _number(row["usd"]),
        "lead_price": _number(row["lead_price"]),
        "price": _number(row["price"]),
        "lag_ms": row["lag_ms"],
        "outcome": row["outcome"],
        "reason": row["reason"],
    }


def pair(symbol: str) -> str:
    """A venue's symbol as people write it: "BTC/USDT"."""
    quote = next((one for one in QUOTES if symbol.endswith(one) and symbol != one), "")
    return f"{symbol.removesuffix(quote)}/{quote}" if quote else symbol


def newest(rows: Iterable[Mapping[str, Any]]) -> int:
    """The feed's position after these rows."""
    return max((row["cursor"] for row in rows), default=0)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
