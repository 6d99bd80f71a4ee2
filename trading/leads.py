"""What the leads of a pool hold now, as signals and watched accounts add it up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from pools import services as pools
from tenants.scope import entered
from trading.models import AccountPosition, LeadPosition

SPOT, USDM = "spot", "usdm"


@dataclass(frozen=True, slots=True)
class LeadHeld:
    """A lead's open position; `qty` is below zero for a short.

    :param side: BOTH, or LONG and SHORT in hedge mode
    """

    trader_id: UUID
    name: str
    weight: Decimal
    market: str
    symbol: str
    side: str
    qty: Decimal

    @property
    def place(self) -> tuple[UUID, str, str, str]:
        """What a copy of it is known by."""
        return self.trader_id, self.market, self.symbol, self.side


def held_by_leads(pool_id: UUID) -> list[LeadHeld]:
    """Every open position of the pool's present leads, by symbol. Test signals' positions are not among them.

    :raises pools.services.PoolUnknown: there is no such pool here
    """
    shown = {one.id: one for one in pools.pool_of(pool_id=pool_id).traders if one.weight > 0}
    # The leads of a curated pool trade at Tenant Zero, and what they hold is known there alone.
    with entered(pools.home_of(pool_id)):
        accounts = {one.account_id: one.id for one in pools.traders_of() if one.account_id and one.id in shown}
        rows = [
            (row.trader_id, row.market, row.symbol, row.side, row.qty)
            for row in LeadPosition.objects.filter(pool_id=pool_id, trader_id__in=shown, test=False).exclude(qty=0)
            if row.market == SPOT or row.trader_id not in accounts.values()
        ]
        watched = AccountPosition.objects.filter(account_id__in=accounts, market=USDM).exclude(qty=0).exclude(symbol="")
        rows += [(accounts[row.account_id], USDM, row.symbol, row.side, row.qty) for row in watched]
    rows.sort(key=lambda row: (row[2], row[1], row[3], str(row[0])))
    return [LeadHeld(row[0], shown[row[0]].name, shown[row[0]].weight, *row[1:]) for row in rows]
