"""Claim a range of planned orders and send them. The claim is the only right to send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings

from obscura.core import clock
from obscura.core.errors import Unavailable
from obscura.core.money import ZERO
from pools import followers
from proofs.domain.receipts import Leaves
from tenants import directory
from trading.domain.fanout import closing_quantity
from trading.domain.order_state import Status
from trading.domain.reasons import Reason, in_words
from trading.execution import db, results, store
from trading.execution.results import Told
from trading.execution.store import Claimed, SignalRow
from trading.execution.submit import Flight, place
from trading.market import cache
from trading.venues.binance import Report

STATED = 500


class NotSettled(Unavailable):
    """Some orders of this range still wait for earlier ones."""

    code = "not_settled"


def load_signal(*, schema: str, signal_id: int) -> SignalRow | None:
    """The signal, or None where there is none of this id."""
    row = db.session().execute(db.sql(store.SIGNAL, schema), [signal_id]).fetchone()
    return None if row is None else SignalRow(*row)


def execute(
    *, schema: str, signal_id: int, first: int, last: int, fly: Callable[[Flight], object] = Flight.landed
) -> int:
    """Claim what is planned in a range of subscription ids and send it.

    Another worker that comes later finds nothing planned and leaves. Returns how many orders were sent.

    :param fly: what to do with the flight: wait until it has landed, or `submit.let_fly`
    :raises NotSettled: a close in the range still waits for opens on their way; the nudge stays and comes back
    """
    signal = load_signal(schema=schema, signal_id=signal_id)
    if signal is None:
        return 0
    ids = [signal_id, first, last]
    session = db.session()
    if (why := unwanted(schema, signal)) is not None:
        _miss(schema, signal, ids, why)
    rows = [
        Claimed(*row)
        for row in session.execute(db.sql(store.CLAIM_RANGE, schema), [settings.COPY_LEASE_MS, *ids]).fetchall()
    ]
    if signal.effect == "close" or signal.market == "usdm":
        rows += claim_waiting(schema=schema, signal=signal, first=first, last=last)
    if rows:
        fly(place(schema=schema, signal=signal, rows=rows))
    left = session.execute(db.sql(store.STILL_WAITING, schema), ids).fetchone()
    if left and left[0]:
        raise NotSettled
    return len(rows)


def unwanted(schema: str, signal: SignalRow) -> Reason | None:
    """Why an open must not be placed any more: too old by now, or a kill switch. A close always may."""
    if signal.effect != "open":
        return None
    terms = followers.terms(db.session().cursor(), schema=schema, pool_id=signal.pool_id)  # type: ignore[arg-type]
    if terms is None or clock.now() - signal.lead_at > terms.signal_ttl:  # type: ignore[operator]
        return Reason.STALE_SIGNAL
    return Reason.HALTED if terms.halted or directory.halted(schema) else None


def _miss(schema: str, signal: SignalRow, ids: list[int], why: Reason) -> None:
    found = (
        db.session()
        .execute(
            db.sql(
                "select id from {s}.trading_order where signal_id = %s and subscription_id between %s and %s"
                f" and status = {Status.PLANNED:d}",
                schema,
            ),
            ids,
        )
        .fetchall()
    )
    report = Report(Status.MISSED, "", ZERO, None, ZERO, why.value, in_words(why), None, ())
    for start in range(0, len(found), STATED):
        told = [Told(row[0], None, report) for row in found[start : start + STATED]]
        results.write(schema=schema, signal=signal, told=told)


def claim_waiting(*, schema: str, signal: SignalRow, first: int, last: int) -> list[Claimed]:
    """Claim what waited and need not any more: closes in the quantity that is really held, opens as they were sized."""
    session = db.session()
    nothing: list[Told] = []
    claimed: list[Claimed] = []
    with session.transaction():
        cursor = session.cursor()
        params = [signal.position_side, signal.id, first, last]
        waiting = cursor.execute(db.sql(store.WAITING, schema), params).fetchall()
        if not waiting:
            return []
        found = _quantities(signal, waiting) if signal.effect == "close" else [(row, row[4]) for row in waiting]
        leaves = order_leaves(schema, signal)
        sized = [(row[0], qty, leaves.leaf(row[2], row[1], qty)) for row, qty in found if qty]
        nothing = [Told(row[0], None, _nothing_left(signal)) for row, qty in found if not qty]
        if sized:
            order_ids, quantities, hashes = (list(column) for column in zip(*sized, strict=True))
            claimed = [
                Claimed(*row)
                for row in cursor.execute(
                    db.sql(store.CLAIM_WAITING, schema),
                    [settings.COPY_LEASE_MS, order_ids, [str(qty) for qty in quantities], hashes],
                ).fetchall()
            ]
    results.write(schema=schema, signal=signal, told=nothing)
    return claimed


def _quantities(signal: SignalRow, waiting: Sequence[Any]) -> list[tuple[Any, Decimal]]:
    # The venue's rules of the paper and the live venue are the same exchange's; the live ones are asked first.
    where = {"exchange": signal.exchange, "market": signal.market, "symbol": signal.symbol}
    rules = cache.rules(environment="live", **where) or cache.rules(environment="paper", **where)
    return [
        (
            row,
            closing_quantity(held=row[3], fraction=Decimal(str(signal.fraction)), rules=rules, price=None)[0],
        )
        for row in waiting
    ]


def _nothing_left(signal: SignalRow) -> Report:
    return Report(
        Status.MISSED, "", ZERO, None, ZERO, "nothing_to_close", "Nothing of it was open in your copy", None, ()
    )


def order_leaves(schema: str, signal: SignalRow) -> Leaves:
    """The leaves of a signal's orders: over the signal's own leaf, then client order id, subscription and quantity."""
    return Leaves("order", [schema, bytes(signal.leaf).hex(), signal.symbol, signal.side, signal.effect])
