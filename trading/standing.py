"""What every subscription of a tenant would gain or lose if all it holds were closed at present prices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from obscura.core.money import ZERO
from pools import followers
from trading.execution import db
from trading.market import cache

_HELD = "select subscription_id, market, symbol, qty, cost from {s}.trading_holding where qty <> 0"


def open_results(*, schema: str) -> dict[int, Decimal | None]:
    """By subscription, in USD; None where a price is missing. What holds nothing is left out."""
    cursor = db.session().cursor()
    rows = cursor.execute(db.sql(_HELD, schema)).fetchall()
    where = followers.environments(cursor, schema=schema, subscriptions=list({row[0] for row in rows}))
    prices: dict[tuple[str, str, str], Mapping[str, Decimal]] = {}
    found: dict[int, Decimal | None] = {}
    for subscription, market, symbol, qty, cost in rows:
        exchange, environment = where[subscription]
        key = exchange, environment, market
        if key not in prices:
            prices[key] = cache.marks(exchange=exchange, environment=environment, market=market)
        mark, so_far = prices[key].get(symbol), found.get(subscription, ZERO)
        if mark is None or so_far is None:
            found[subscription] = None
            continue
        worth = abs(qty) * mark
        found[subscription] = so_far + (worth - cost if qty > 0 else cost - worth)
    return found
