"""Claim a range of planned orders and send them. The claim is the only right to send."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings

from obscura.core import clock
from obscura.core.money import ZERO
from pools import followers
from proofs.domain.receipts import Leaves
from tenants import directory
from trading.domain import waiting
from trading.domain.closing import closing_owed, closing_quantity
from trading.domain.order_state import Status
from trading.domain.reasons import Reason, Refusal, in_words
from trading.execution import arrays, db, results, store
from trading.execution.results import Told
from trading.execution.store import Claimed, SignalRow
from trading.execution.submit import Flight, place
from trading.market import cache
from trading.venues.binance import Report

STATED = 500
HIGHEST = 2**63 - 1


def load_signal(*, schema: str, signal_id: int) -> SignalRow | None:
    """The signal, or None where there is none of this id."""
    row = db.session().execute(db.sql(store.SIGNAL, schema), [signal_id]).fetchone()
    return None if row is None else SignalRow(*row)


def execute(
    *, schema: str, signal_id: int, first: int, last: int, fly: Callable[[Flight], object] = Flight.landed
) -> int:
    """Claim what is planned in a range of subscription ids and send it.

    Another worker that comes later finds nothing planned and leaves. Returns how many orders were sent.

    What waits for an earlier order is left: the result of that one wakes it, and the sweep sees to it that it is woken.

    :param first: above `last`, the range goes around: up to the highest id, and on from the lowest to `last`
    :param fly: what to do with the flight: wait until it has landed, or `submit.let_fly`
    """
    signal = load_signal(schema=schema, signal_id=signal_id)
    if signal is None:
        return 0
    spans = [(first, last)] if first <= last else [(first, HIGHEST), (0, last)]
    session = db.session()
    why = unwanted(schema, signal)
    rows: list[Claimed] = []
    for span in spans:
        ids = [signal_id, *span]
        if why is not None:
            _miss(schema, signal, ids, why)
        found = session.execute(db.sql(store.CLAIM_RANGE, schema), [settings.COPY_LEASE_MS, *ids]).fetchall()
        rows += [Claimed(*row) for row in found]
        if signal.effect == "close":
            _overtake(schema, ids)
        if signal.effect == "close" or signal.market == "usdm":
            rows += claim_waiting(schema=schema, signal=signal, first=span[0], last=span[1])
    sent = 0
    if rows:
        flight = place(schema=schema, signal=signal, rows=rows)
        sent = flight.sent
        fly(flight)
    return sent


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
                "select id, attempts, error_code from {s}.trading_order where signal_id = %s"
                f" and subscription_id between %s and %s and status = {Status.PLANNED:d}",
                schema,
            ),
            ids,
        )
        .fetchall()
    )
    for start in range(0, len(found), STATED):
        # By attempt: whoever claimed one of them meanwhile has begun the next, and is not contradicted.
        told = [Told(row[0], row[1], _missed(row[2], why)) for row in found[start : start + STATED]]
        results.write(schema=schema, signal=signal, told=told)


def _overtake(schema: str, ids: list[int]) -> None:
    """Miss the opens that still wait for room while a close waits behind them: nothing of them is anywhere.

    A close must not wait for what is not even sent. An open that was claimed meanwhile has another attempt, and stays.
    """
    found: dict[int, list[Told]] = defaultdict(list)
    report = Report(Status.MISSED, "", ZERO, None, ZERO, *waiting.OVERTAKEN, None, ())
    for opened, order, attempt in db.session().execute(db.sql(store.OVERTAKEN, schema), ids).fetchall():
        found[opened].append(Told(order, attempt, report))
    for opened, told in found.items():
        other = load_signal(schema=schema, signal_id=opened)
        assert other is not None  # its orders are here
        results.write(schema=schema, signal=other, told=told)


def _missed(code: str, why: Reason) -> Report:
    """With what it had waited for, where that is known and is the reason."""
    code, words = waiting.missed(code) if why is Reason.STALE_SIGNAL else (why.value, in_words(why))
    return Report(Status.MISSED, "", ZERO, None, ZERO, code, words, None, ())


def claim_waiting(*, schema: str, signal: SignalRow, first: int, last: int) -> list[Claimed]:
    """Claim what waited and need not any more: closes in the quantity that is really held, opens as they were sized."""
    session = db.session()
    nothing: list[Told] = []
    claimed: list[Claimed] = []
    with session.transaction():
        cursor = session.cursor()
        params = [signal.position_side, signal.id, first, last]
        rows = cursor.execute(db.sql(store.WAITING, schema), params).fetchall()
        if not rows:
            return []
        if signal.effect == "close":
            found = _closes(signal, rows)
            _carry(cursor, schema, signal, found)
        else:
            found = [_Sized(row, row[4], None, None) for row in rows]
        leaves = order_leaves(schema, signal)
        sized = [(one.row[0], one.qty, leaves.leaf(one.row[2], one.row[1], one.qty)) for one in found if one.qty]
        nothing = [Told(one.row[0], None, _not_closed(one.refused)) for one in found if not one.qty]
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


class _Sized(NamedTuple):
    """What waited (a row of WAITING) with what became of it; `carried` as in fanout.Denied."""

    row: Any
    qty: Decimal
    refused: Refusal | None
    carried: Decimal | None


def _closes(signal: SignalRow, rows: Sequence[Any]) -> list[_Sized]:
    """Waiting closes by what is really held now, with what earlier closes were too small for."""
    where = {"exchange": signal.exchange, "market": signal.market, "symbol": signal.symbol}
    # The venue's rules of the paper and the live venue are the same exchange's; the live ones are asked first.
    environment = "live"
    rules = cache.rules(environment=environment, **where)
    if rules is None:
        environment = "paper"
        rules = cache.rules(environment=environment, **where)
    quote = cache.quote(environment=environment, **where)
    price = None if quote is None else quote.ask if signal.side == "buy" else quote.bid
    fraction = Decimal(str(signal.fraction))
    found = []
    for row in rows:
        held, carried = row[3], row[5]
        qty, refused = closing_quantity(held=held, fraction=fraction, rules=rules, price=price, carried=carried)
        left = ZERO if carried else None
        if held and refused is not None and fraction < 1:
            left = closing_owed(held=held, fraction=fraction, carried=carried)
        found.append(_Sized(row, qty, refused if held else None, left))
    return found


def _carry(cursor: Any, schema: str, signal: SignalRow, found: Sequence[_Sized]) -> None:
    """Write what is carried on and what is carried no longer. What was never bought was seen to by the plan."""
    carried = {one.row[1]: one.carried for one in found if one.carried is not None}
    if carried:
        place = [signal.trader_id, signal.market, signal.symbol, signal.position_side]
        columns = [arrays.tokens(carried), arrays.tokens(carried.values())]
        cursor.execute(db.sql(store.CARRY_CLOSE, schema), [0, 0, *columns, *place])


def _not_closed(refused: Refusal | None) -> Report:
    if refused is None:
        reason, words = Reason.NOTHING_TO_CLOSE, "Nothing of it was open in your copy"
    else:
        reason, words = refused[0], in_words(*refused)
    return Report(Status.MISSED, "", ZERO, None, ZERO, reason.value, words, None, ())


def order_leaves(schema: str, signal: SignalRow) -> Leaves:
    """The leaves of a signal's orders: over the signal's own leaf, then client order id, subscription and quantity."""
    return Leaves("order", [schema, bytes(signal.leaf).hex(), signal.symbol, signal.side, signal.effect])
