"""Rows of the live feed, drawn by the page's own template, once for all followers of one trade.

Followers of one trade differ in a few figures alone. The template draws such a row with stand-ins in their places, and
each follower's row is that text with his figures put in: a fifth of the work, and the same text to the letter.
"""

from __future__ import annotations

import re
import secrets
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
from obscura.web.numbers import DASH
from obscura.web.templatetags.figures import difference, lag, pct, price_like, usd

OWN = ("id", "cursor", "usd", "price", "lag_ms")
"""The fields of a row in which followers of one trade differ. Whether a figure is known is not among them."""

# Drawn anew by each process, so that no text that comes from elsewhere can hold one.
_NUMBER = 7_000_000_000_000 + secrets.randbelow(10**12)
STAND_IN: Mapping[str, Any] = {
    "id": f"id{secrets.token_hex(8)}",
    "cursor": _NUMBER * 1_000_000,
    "usd": str(_NUMBER + 1),
    "price": str(_NUMBER + 2),
    "lag_ms": (_NUMBER + 3) * 1_000,
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
    pieces, places = _shape(tuple(sorted(shared.items())), known, pool_name, today)
    own = _texts(row, row["lead_price"])
    return pieces[0] + "".join(own[place] + piece for place, piece in zip(places, pieces[1:], strict=True))


@lru_cache(maxsize=512)
def _shape(
    shared: tuple[tuple[str, Any], ...], known: tuple[str, ...], pool_name: str, today: date
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The row cut where own figures go, and which figure goes where (an index into `_texts`).

    `today` is in the key, since the template draws times of another day otherwise.
    """
    row = dict(shared) | {name: STAND_IN[name] if name in known else None for name in OWN}
    shown = cards.copy_row(row, {row["pool"]: pool_name})
    text = get_template("copies/_row.html").render({"copy": shown, "new": True})
    stand_ins = {said: place for place, said in enumerate(_texts(STAND_IN, row["lead_price"])) if said != DASH}
    pieces = re.split(f"({'|'.join(map(re.escape, stand_ins))})", text)
    return tuple(pieces[::2]), tuple(stand_ins[piece] for piece in pieces[1::2])


def _texts(row: Mapping[str, Any], lead_price: str | None) -> tuple[str, ...]:
    """What the template makes of a row's own figures, in an order that `_shape` counts on."""
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
