"""The share of profit: on gains above the highest result so far alone, so that no gain is charged twice.

A high-water mark over the result (gains and losses of closed copies, fees of the exchange paid), not over the balance:
money that is added or withdrawn moves neither. Each subscription has its own, from its own beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Share:
    """What a settlement of the share comes to, in USD.

    :param profit: what the result is above the mark
    :param creator: to whoever made the pool; down to the cent
    :param platform: to the platform; down to the cent
    :param high_water: the mark from then on
    """

    profit: Decimal
    creator: Decimal
    platform: Decimal
    high_water: Decimal


def share_of(
    *, result: Decimal, high_water: Decimal, fee_percentage: Decimal, platform_percentage: Decimal
) -> Share | None:
    """The share that is due on a result, or None where it is not above the mark by at least a cent.

    :param result: of everything closed so far
    :param high_water: the highest result that was charged, never below 0
    """
    profit = result - high_water
    if profit < CENT:
        return None
    return Share(
        profit=profit,
        creator=(profit * fee_percentage / 100).quantize(CENT, ROUND_FLOOR),
        platform=(profit * platform_percentage / 100).quantize(CENT, ROUND_FLOOR),
        high_water=result,
    )
