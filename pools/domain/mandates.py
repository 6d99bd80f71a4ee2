"""What a follower's terms allow the vault to sign: the bounds that hold even where a worker of ours turns hostile.

They are wider than what the planner does, which is exact: they bound what can be done to a follower, not what is done
for him. Amounts are in US dollars.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from pools.domain.style import Advanced, Pair
from pools.domain.terms import FixedAmount

MARGIN = Decimal("1.1")
"""The vault reckons at its own prices, a second old; a tenth more lets every honest order pass."""

ORDERS_A_MINUTE, ORDERS_A_DAY = 10, 50
"""How many times the whole investment may be opened in a minute, and on a day."""

LEAST_BAND_BPS, BESIDE_SLIPPAGE_BPS = 500, 200


class Bounds(NamedTuple):
    """What is sealed of a subscription's terms."""

    order_usd: Decimal
    minute_usd: Decimal
    day_usd: Decimal
    leverage: int
    band_bps: int
    max_loss_usd: Decimal
    allow: frozenset[str]
    deny: frozenset[str]


def bounds(terms: FixedAmount, style: Advanced, *, pool_leverage: int, pool_slippage_bps: int) -> Bounds:
    """The bounds of these terms in a pool as it stands when they are agreed."""
    leverage = _leverage(style, pool_leverage)
    order = _cents(terms.total_investment * leverage * MARGIN)
    slippage = [style.max_slippage_bps or pool_slippage_bps, *(one.max_slippage_bps or 0 for one in _pairs(style))]
    return Bounds(
        order_usd=order,
        minute_usd=order * ORDERS_A_MINUTE,
        day_usd=order * ORDERS_A_DAY,
        leverage=leverage,
        band_bps=max(LEAST_BAND_BPS, max(slippage) + BESIDE_SLIPPAGE_BPS),
        max_loss_usd=_cents(terms.max_loss * MARGIN),
        allow=style.allow,
        deny=style.deny,
    )


def _leverage(style: Advanced, pool_leverage: int) -> int:
    own = [style.leverage_long, style.leverage_short]
    own += [leverage for one in _pairs(style) for leverage in (one.leverage_long, one.leverage_short)]
    everywhere = [pool_leverage] if None in (style.leverage_long, style.leverage_short) else []
    return max(one for one in (*own, *everywhere) if one is not None)


def _pairs(style: Advanced) -> list[Pair]:
    return list(style.pairs.values())


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))
