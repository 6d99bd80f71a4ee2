"""Who trades and on which terms, as a decision needs them: plain values, the columns of the hot path's statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from obscura.core.money import ZERO


class Follower(NamedTuple):
    """A subscription as it stands, with the account it trades on. Money in USD.

    :param settings: its style as JSON text; None is the plain way
    :param peak: the highest result so far, open copies included
    :param loss_streak: copies lost one after another
    :param since: when it began to follow
    """

    subscription: int
    user: str
    account: str
    exchange: str
    environment: str
    account_active: bool
    status: str
    total_investment: Decimal
    max_loss: Decimal
    profit_target: Decimal | None
    daily_loss_limit: Decimal | None
    reserved: Decimal
    exposure: Decimal
    realised: Decimal
    day: date | None
    day_realised: Decimal
    settings: str | None = None
    peak: Decimal = ZERO
    loss_streak: int = 0
    since: datetime | None = None


class Held(NamedTuple):
    """What a follower holds of the signal's symbol because of its lead; counts are of orders on their way.

    :param leverage: of what is open; 0 where nothing is
    :param carried: base asset that earlier closes were too small for
    :param carried_open: base asset that earlier opens were too small for
    :param closed_by_owner: the follower closed it himself while the lead went on
    """

    qty: Decimal
    opening: int
    closing: int
    leverage: int = 0
    carried: Decimal = ZERO
    carried_open: Decimal = ZERO
    closed_by_owner: bool = False


@dataclass(frozen=True, slots=True)
class Lead:
    """The signal, as far as a decision needs it.

    :param qty: what the lead traded, in the base asset
    :param equity: what the lead's account was worth then, in USD; None where that is not known
    :param leverage: the lead's own, on futures; None where that is not known
    :param since: when the lead's position began, where that was before this trade
    :param overtaken: a close of the whole was planned before it: an open would open what the lead has left
    """

    exchange: str
    market: str
    symbol: str
    side: str
    effect: str
    fraction: Decimal
    weight: Decimal
    price: Decimal | None
    order_type: str
    at: datetime
    test_only: bool = False
    position_side: str = "BOTH"
    qty: Decimal = ZERO
    equity: Decimal | None = None
    leverage: int | None = None
    stop_loss_pct: Decimal | None = None
    take_profit_pct: Decimal | None = None
    since: datetime | None = None
    overtaken: bool = False

    @property
    def short(self) -> bool:
        """Whether the position it opens or closes is a short one."""
        if self.position_side != "BOTH":
            return self.position_side == "SHORT"
        return (self.side == "sell") == (self.effect == "open") if self.market == "usdm" else False


@dataclass(frozen=True, slots=True)
class Terms:
    """The pool's terms and the tenant's plan; `halted` is the kill switch of either or of the platform."""

    active: bool
    slots: int
    leverage: int
    max_slippage_bps: int
    signal_ttl: timedelta
    max_copy_usd: Decimal | None = None
    halted: bool = False
