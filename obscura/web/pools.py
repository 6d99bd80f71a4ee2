"""Pools: which there are, and one of them with its leads, its terms and the reader's own copies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from obscura.web import cards
from obscura.web.own_pools import actions_of
from obscura.web.pages import page, wants_part
from obscura.web.subscriptions import subscription_cards
from obscura.web.templatetags.figures import pct, qty, share, tone
from pools import services as pools
from pools.types import CLOSED_DOOR, PoolRecord, PoolRef
from trading import services as trading

KINDS = (("", "All"), ("curated", "Curated"), ("partner", "Partner"), ("custom", "Yours"))
SORTS = (("name", "Name"), ("followers", "Followers' result"), ("calm", "Calm"))
KEPT = 30
CLOSED_WORDS = {
    "draft": "This pool is a draft. It can be copied once it is active.",
    "paused": "This pool is paused: nothing new is opened in it. It can be copied again when it is active.",
    "closed": "This pool is closed. Nothing new is opened in it.",
}


@page
def listing(request: HttpRequest) -> HttpResponse:
    """``/pools/?q=&kind=&sort=``: what the reader may copy, and what he copies."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    q, kind = request.GET.get("q", "").strip()[:80], request.GET.get("kind", "")
    kind = kind if kind in dict(KINDS) else ""
    sort = request.GET.get("sort", "")
    sort = sort if sort in dict(SORTS) else "name"
    followed = {str(one.pool_id) for one in pools.subscriptions_of(user_id)}
    found = pools.pools_of(user_id=user_id, kinds=[kind] if kind else None)
    kept = [one for one in found if one.status != "closed" or str(one.id) in followed]
    records = pools.records_of([one.id for one in kept])
    shown = [cards.pool_card(one, followed=followed, record=records.get(one.id)) for one in kept if _named(one, q)]
    shown.sort(key=lambda card: _place(card, sort))
    context = {"pools": shown, "kinds": KINDS, "kind": kind, "sorts": SORTS, "sort": sort, "q": q, "nav": "pools"}
    return render(request, "pools/_grid.html" if wants_part(request) else "pools/list.html", context)


@page
def detail(request: HttpRequest, pool_id: UUID) -> HttpResponse:
    """``/pools/<id>/``."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    pool = pools.pool_of(pool_id=pool_id, user_id=user_id)
    mine = pools.subscriptions_of(user_id, pool_id=pool_id)
    rows = trading.copies_of(user_id, pool_id=pool_id, limit=KEPT)
    record = pools.records_of([pool_id]).get(pool_id)
    card = cards.pool_card(pool, followed=[str(one.pool_id) for one in mine], record=record)
    context = {
        "pool": card,
        "stats": _stats(pool, record),
        "terms": _terms(pool),
        "leads": [{"name": one.name, "venue": cards.VENUE, "weight": one.weight * 100} for one in pool.traders],
        "subscriptions": subscription_cards(mine),
        "actions": actions_of(pool, user_id),
        "blocked": CLOSED_WORDS.get(pool.status, "") or _too_risky(record),
        "copies": [cards.copy_row(row, {str(pool.id): pool.name}) for row in rows],
        "cursor": cards.newest(rows),
        "live_topic": f"copies:{pool.id}",
        "nav": "pools",
    }
    return render(request, "pools/detail.html", context)


def _named(pool: PoolRef, q: str) -> bool:
    wanted = q.casefold()
    return wanted in pool.name.casefold() or any(wanted in one.name.casefold() for one in pool.traders)


def _place(card: dict[str, Any], sort: str) -> tuple[Any, ...]:
    """Where a card stands: by its followers' result or its calm, the unknown behind; else one's own first."""
    known = card["performance"] or {}
    if sort == "followers":
        month = known.get("followers_30d")
        return (month is None, -(month or 0), card["name"].casefold())
    if sort == "calm":
        risk = known.get("risk")
        return (risk is None, risk or 0, -(known.get("deepest_fall") or 0), card["name"].casefold())
    return (not card["following"], card["name"].casefold())


def _too_risky(record: PoolRecord | None) -> str:
    if record is None or record.risk is None or record.risk < CLOSED_DOOR:
        return ""
    return (
        f"Its risk is {record.risk} of 10, and from {CLOSED_DOOR} on nobody new may follow. "
        "Whoever follows it already goes on."
    )


def _stats(pool: PoolRef, record: PoolRecord | None) -> list[dict[str, Any]]:
    month = record.month if record else None
    fall = record.deepest_fall if record else None
    rated = "as you rate it" if pool.kind == "custom" else "as its operator rates it"
    risk = record.risk if record else None
    return [
        _stat(
            "Followers, 30 d",
            None if month is None else pct(month),
            "after fees and misses",
            "Not known yet: nobody has followed for thirty days",
            tone(month),
        ),
        _stat("Deepest fall", None if fall is None else pct(fall), "peak to bottom", "Not known yet: no day is over"),
        _stat("Followers here", qty(pool.followers), "copying now"),
        _stat("Risk", pool.risk_class.capitalize(), rated)
        if risk is None
        else _stat("Risk", f"{risk} of 10", "by how far and how deep it moved"),
    ]


def _stat(label: str, value: str | None, note: str, reason: str = "", colour: str = "") -> dict[str, Any]:
    return {"label": label, "value": value, "tone": colour, "note": note, "reason": reason}


def _terms(pool: PoolRef) -> list[dict[str, str]]:
    return [
        {"label": "Share of profit", "value": share(pool.fee_percentage, 2 if pool.fee_percentage % 1 else 0)},
        {"label": "Copies at once, at most", "value": str(pool.slots)},
        {"label": "Most leverage, on futures", "value": f"{pool.leverage}x"},
        {"label": "Not opened when worse by", "value": share(Decimal(pool.max_slippage_bps) / 100, 2)},
        {"label": "Not opened after", "value": f"{pool.signal_ttl_s} s"},
    ]
