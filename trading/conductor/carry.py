"""What a plan leaves on holdings: exits of copies that begin, and quantities too small to be traded so far."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from obscura.core.money import ZERO
from trading.domain.fanout import Decision
from trading.execution import arrays, db, store
from trading.execution.store import SignalRow


def keep(cursor: Any, *, schema: str, signal: SignalRow, decision: Decision) -> None:
    """Write them, in the planning transaction. Costs nothing where there are none."""
    place = [signal.trader_id, signal.market, signal.symbol, signal.position_side]
    exits = [(copy.subscription, *copy.exits) for copy in decision.copies if copy.exits is not None]
    if exits:
        columns = [arrays.tokens(column) for column in zip(*exits, strict=True)]
        cursor.execute(db.sql(store.SET_EXITS, schema), [*columns, *place])
    # What an order takes along is carried no longer; what was too small again is carried with what was before. A close
    # that waits takes along what is carried when it goes.
    carried: dict[int, Decimal | None] = {
        copy.subscription: None if copy.waits and signal.effect == "close" else ZERO
        for copy in decision.copies
        if copy.settles
    }
    carried |= {one.subscription: one.carried for one in decision.denials if one.carried is not None}
    if not carried:
        return
    columns = [arrays.tokens(carried), arrays.tokens(carried.values())]
    if signal.effect == "open":
        cursor.execute(db.sql(store.CARRY_OPEN, schema), [*place, *columns])
    else:
        # Of what was never bought the lead has closed the same part. What one follower alone closes, or the guard for
        # everybody, says nothing of the lead: the mark stays until the lead itself is out.
        fraction = ZERO if signal.ours or signal.only_for is not None else Decimal(str(signal.fraction))
        cursor.execute(db.sql(store.CARRY_CLOSE, schema), [fraction, fraction, *columns, *place])
