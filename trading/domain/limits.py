"""The limits on what a whole subscription may lose or win: the planner opens nothing beyond them, the guard ends it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from obscura.core.money import ZERO, plain
from pools.types import Style
from trading.domain.people import Follower
from trading.domain.reasons import Reason, Refusal

LIMITS = frozenset({Reason.LOSS_LIMIT, Reason.PROFIT_TARGET, Reason.DAILY_LOSS, Reason.EQUITY_STOP})
"""What `reached` may answer."""


def reached(follower: Follower, style: Style, open_result: Decimal, today: date) -> Refusal | None:
    """Which limit on losses or gains is reached, if one is.

    :param open_result: the unrealised result of all that is open, in USD
    """
    result = follower.realised + open_result
    if -result >= follower.max_loss:
        return Reason.LOSS_LIMIT, {"limit": plain(follower.max_loss)}
    if follower.profit_target is not None and result >= follower.profit_target:
        return Reason.PROFIT_TARGET, {"limit": plain(follower.profit_target)}
    if follower.daily_loss_limit is not None:
        # An open loss counts as today's: when it began is not known, and not knowing counts against an open.
        lost = -((follower.day_realised if follower.day == today else ZERO) + min(open_result, ZERO))
        if lost >= follower.daily_loss_limit:
            return Reason.DAILY_LOSS, {"limit": plain(follower.daily_loss_limit)}
    if style.equity_stop_pct is not None:
        limit = follower.total_investment * style.equity_stop_pct / 100
        highest = max(follower.peak, ZERO) if style.equity_stop_trailing else ZERO
        if highest - result >= limit:
            return Reason.EQUITY_STOP, {"limit": plain(limit)}
    return None
