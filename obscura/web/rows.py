"""Rows of the live feed, drawn by the page's own template, once for all followers of one trade.

Followers of one trade differ in a few figures alone. The template draws such a row with stand-ins in their places, and
each follower's row is that text with his figures put in: a fifth of the work, and the same text to the letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.template.loader import get_template
from django.utils import timezone
from django.utils.html import escape

from obscura.core import clock
from obscura.web import cards
from obscura.web.templatetags.figures import difference, lag, pct, price_like, usd

OWN = ("id", "cursor", "usd", "price", "lag_ms")
"""The fields of a row in which followers of one trade differ. Whether a figure is known is not among them."""

STAND_IN: Mapping[str, Any] = {
    "id": "the-id-stands-here",
    "cursor": 7_000_000_000_000_000_001,
    "usd": "7000000000002",
    "price": "7000000000003",
    "lag_ms": 7_000_000_000_004,
}
_APART = ("user", "qty", "difference_bps")  # not drawn


def drawn(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Rows of trading.copies as the page draws them, marked as new.

    :param names: of pools, by id
    """
    today = timezone.localtime(clock.now()).date()
    return "".join(_drawn(row, names.get(row["pool"], ""), today) for row in rows)


def _drawn(row: Mapping[str, Any], pool_name: str, today: date) -> str:
    shared = {name: value for name, value in row.items() if name not in OWN and name not in _APART}
    known = tuple(name for name in OWN if row[name] is not None)
    text = _shape(tuple(sorted(shared.items())), known, pool_name, today)
    for stand_in, own in zip(_texts(STAND_IN, row["lead_price"]), _texts(row, row["lead_price"]), strict=True):
        text = text.replace(stand_in, own)
    return text


@lru_cache(maxsize=512)
def _shape(shared: tuple[tuple[str, Any], ...], known: tuple[str, ...], pool_name: str, today: date) -> str:
    """The row with stand-ins; `today` is in the key, since the template draws times of another day otherwise."""
    row = dict(shared) | {name: STAND_IN[name] if name in known else None for name in OWN}
    shown = cards.copy_row(row, {row["pool"]: pool_name})
    return str(get_template("copies/_row.html").render({"copy": shown, "new": True}))


def _texts(row: Mapping[str, Any], lead_price: str | None) -> tuple[str, ...]:
    """What the template makes of a row's own figures, in the order in which they are put in."""
    own = Decimal(row["price"]) if row["price"] is not None else None
    lead = Decimal(lead_price) if lead_price is not None else None
    return (
        escape(row["id"]),
        str(row["cursor"]),
        usd(row["usd"]),
        pct(difference(own, lead), 2),
        price_like(own, lead),
        lag(row["lag_ms"]),
    )
