"""Whose turn it is in a pool's lane, and what an exit of the lead that comes first does to what it overtakes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from obscura.core.money import ZERO
from trading.domain.order_state import Status
from trading.domain.reasons import WORDS, Reason
from trading.execution import db, results, store
from trading.execution.results import Told, Written
from trading.execution.store import SignalRow
from trading.venues.binance import Report

_LATE = Report(Status.MISSED, "", ZERO, None, ZERO, Reason.OVERTAKEN.value, WORDS[Reason.OVERTAKEN], None, ())


class Turn(NamedTuple):
    """The signal whose turn it is, and whether no other waits in its lane."""

    signal: SignalRow
    alone: bool


def next_signal(cursor: Any, *, schema: str, pool_id: UUID, urgency: int) -> Turn | None:
    """The signal whose turn it is: the most urgent, or what has to come before it. None where nothing waits.

    Signals of one trader, market, symbol and side keep their order. A close of the whole alone overtakes the less
    urgent ones before it, which know of it from then on: their opens are denied. The caller has locked the lane.

    :param urgency: nothing is returned for the sake of a signal that is less urgent
    """
    row = cursor.execute(db.sql(store.NEXT_SIGNAL, schema), [pool_id]).fetchone()
    if row is None:
        return None
    signal, behind, alone = SignalRow(*row[:-2]), row[-2], row[-1]
    if signal.priority > urgency:
        return None
    if behind and signal.whole:
        cursor.execute(db.sql(store.OVERTAKE, schema), [signal.id])
    elif behind:
        place = [pool_id, signal.symbol, signal.trader_id, signal.market, signal.position_side, signal.test_only]
        row = cursor.execute(db.sql(store.EARLIEST, schema), [*place, signal.seq, signal.seq]).fetchone()
        return Turn(SignalRow(*row), alone)
    return Turn(signal, alone)


def drop_unsent(cursor: Any, *, schema: str, exit: SignalRow, subscriptions: Sequence[int]) -> list[Written]:
    """Make orders MISSED that were planned for these subscriptions before a close of the whole and are not sent yet.

    Only those of less urgent signals of the same trader, market, symbol and side: their range would have waited in a
    queue behind the exit, and the exit for them. In the transaction that plans the exit, whose caller has locked the
    subscriptions. Returns what to tell after the commit.
    """
    if not subscriptions:
        return []
    by_signal: dict[int, list[Told]] = defaultdict(list)
    for signal_id, order, attempts in cursor.execute(
        db.sql(store.UNSENT, schema), [exit.id, list(subscriptions)]
    ).fetchall():
        # By attempt: one that was claimed since has begun the next, and is left alone.
        by_signal[signal_id].append(Told(order, attempts, _LATE))
    written = []
    for signal_id, told in by_signal.items():
        signal = SignalRow(*cursor.execute(db.sql(store.SIGNAL, schema), [signal_id]).fetchone())
        written.append(results.write_within(cursor, schema=schema, signal=signal, told=told))
    return written
