"""A lead's fill as a venue tells it, whichever way it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from obscura.core import clock
from trading.domain.intents import BUY, SELL, SPOT


@dataclass(frozen=True, slots=True)
class SeenFill:
    """One trade of a lead's account.

    :param order_done: the venue said with it that the order is filled; a trade that was asked for never says so
    :param backfilled: it was asked for, not told
    :param realised: on futures, what the venue booked as profit with it
    """

    market: str
    symbol: str
    trade_id: str
    order_id: str
    side: str
    position_side: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime
    received_at: datetime
    order_done: bool = False
    backfilled: bool = False
    realised: Decimal = Decimal(0)

    @property
    def fee_in_base(self) -> Decimal:
        """What of the bought asset the venue kept. Binance names a spot symbol base first, without a separator."""
        taken = self.market == SPOT and self.side == BUY and self.fee_asset and self.symbol.startswith(self.fee_asset)
        return self.fee if taken else Decimal(0)


def from_stream(*, market: str, info: Mapping[str, Any], received_at: datetime) -> SeenFill:
    """From an execution report (spot) or the `o` of an order trade update (USD-M), as the venue sent it.

    :raises KeyError, ArithmeticError, ValueError: it is not one
    """
    return SeenFill(
        market=market,
        symbol=info["s"],
        trade_id=str(info["t"]),
        order_id=str(info["i"]),
        side=BUY if info["S"] == "BUY" else SELL,
        position_side=info.get("ps", "BOTH"),
        qty=Decimal(info["l"]),
        price=Decimal(info["L"]),
        fee=Decimal(info.get("n") or 0),
        fee_asset=info.get("N") or "",
        at=clock.from_millis(int(info["T"])),
        received_at=received_at,
        order_done=info.get("X") == "FILLED",
        realised=Decimal(info.get("rp") or 0),
    )


def from_history(*, market: str, info: Mapping[str, Any], received_at: datetime) -> SeenFill:
    """From a row of the account's trade list (`myTrades`, `userTrades`).

    :raises KeyError, ArithmeticError, ValueError: it is not one
    """
    buys = info["isBuyer"] if market == SPOT else info["side"] == "BUY"
    return SeenFill(
        market=market,
        symbol=info["symbol"],
        trade_id=str(info["id"]),
        order_id=str(info["orderId"]),
        side=BUY if buys else SELL,
        position_side=info.get("positionSide", "BOTH"),
        qty=Decimal(info["qty"]),
        price=Decimal(info["price"]),
        fee=Decimal(info.get("commission") or 0),
        fee_asset=info.get("commissionAsset") or "",
        at=clock.from_millis(int(info["time"])),
        received_at=received_at,
        backfilled=True,
        realised=Decimal(info.get("realizedPnl") or 0),
    )
