"""A stop that has fired is a close like others: a signal for one follower, with an order that the venue made already.

Its client id was computed from the signal it would become, so record and venue agree about it from the first moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from pools import followers
from tenants import scope
from trading.domain import guard_words as words
from trading.domain import priorities
from trading.domain.guard import Held, Told
from trading.domain.intents import ONE, ZERO, Intent
from trading.domain.order_state import TERMINAL, Status
from trading.domain.stops import State
from trading.execution import db, results
from trading.execution.execute import load_signal, order_leaves
from trading.execution.protect import rows, venue
from trading.execution.protect.rows import Stop
from trading.execution.results import Told as Result
from trading.guard import notices
from trading.guard.notices import News
from trading.models import Holding, Order, Signal
from trading.signals.own import Mine, leave_until_next_entry
from trading.signals.record import GUARD, Source, record

LEASE_S = 2.0

_ITS_ORDER = """select o.id, o.status, g.id from {s}.trading_signal g join {s}.trading_order o on o.signal_id = g.id
 where g.pool_id = %s and g.external_id = %s"""


def write(*, schema: str, stop: Stop, order: str, now: datetime) -> None:
    """Write down that it fired: its signal, its order, the close under way, and what its follower is told. Once.

    :param order: the venue's id of the order that it became
    """
    with scope.entered(schema), transaction.atomic():
        made = record(pool_id=UUID(stop.pool), sources=[_source(stop, now)], held=True)[0]
        [signal] = made.signals
        with connection.cursor() as cursor:
            followers.lock(cursor.cursor, schema=schema, subscriptions=[stop.subscription])
            moved = rows.move(
                cursor.cursor, schema=schema, stop=stop.id, to=State.FIRED, order=order, due_s=LEASE_S, code=stop.code
            )
        if not (made.made and moved):
            transaction.set_rollback(True)  # somebody else has written it
            return
        Signal.objects.filter(pk=signal.pk).update(
            state=Signal.State.PLANNED, followers=1, cursor=stop.subscription, planned_at=now
        )
        _order(schema, stop, signal, order, now)
        holding = Holding.objects.get(pk=stop.holding)
        Holding.objects.filter(pk=stop.holding).update(closing=F("closing") + 1, updated_at=now)
        leave_until_next_entry(pool_id=UUID(stop.pool), holdings=[Mine.of(holding)])
        notices.tell([_news(stop, holding)], now=now)


def settle(*, schema: str, stops: Sequence[Stop]) -> int:
    """Ask after the orders of stops that fired and write what came of them. Returns how many have ended."""
    ended = 0
    for stop_id, report in venue.ask_orders(schema=schema, stops=stops).items():
        stop = next(one for one in stops if one.id == stop_id)
        where = [stop.pool, stop.external_id]
        found = db.session().execute(db.sql(_ITS_ORDER, schema), where).fetchone()
        if found is None:
            continue
        order, status, signal_id = found
        if Status(status) not in TERMINAL and report.status not in (None, Status.UNSURE, Status.PLANNED):
            signal = load_signal(schema=schema, signal_id=signal_id)
            assert signal is not None  # its order is here
            results.write(schema=schema, signal=signal, told=[Result(order, None, report)])
            status = report.status
        if Status(status) in TERMINAL:
            cursor = db.session().cursor()
            ended += rows.move(cursor, schema=schema, stop=stop.id, to=State.DONE, code=stop.code)
    return ended


def _source(stop: Stop, now: datetime) -> Source:
    return Source(
        external_id=stop.external_id,
        source=GUARD,
        trader_id=UUID(stop.trader),
        exchange=stop.exchange,
        market=stop.market,
        symbol=stop.symbol,
        side=stop.order_side,
        position_side=stop.side,
        qty=stop.qty,
        price=stop.trigger,
        priority=priorities.CRITICAL,
        metadata={"cause": stop.cause, "at": "venue"},
        lead_at=now,
        received_at=now,
        known=(Intent(0, "close", stop.order_side, stop.qty, ONE, ZERO),),
        only_for=stop.subscription,
    )


def _order(schema: str, stop: Stop, signal: Signal, order: str, now: datetime) -> None:
    # WORKING, as it is at the venue: it is asked after until it has ended, and never sent by us.
    Order.objects.create(
        signal_id=signal.pk, subscription_id=stop.subscription, leg=signal.leg, pool_id=stop.pool,
        user_id=stop.user, account_id=stop.account, trader_id=stop.trader, client_id=stop.client_id,
        exchange=stop.exchange, environment=stop.environment, market=stop.market, symbol=stop.symbol,
        side=stop.order_side, position_side=stop.side, effect="close", type="market", reduce_only=True, qty=stop.qty,
        lead_price=stop.trigger, mark_price=stop.trigger, leverage=stop.leverage, priority=priorities.CRITICAL,
        status=Status.WORKING, attempts=1, venue_order_id=order, lead_at=now, created_at=now, sent_at=now,
        lease_until=now, accepted_at=now, place=1,
        leaf=order_leaves(schema, signal).leaf(stop.client_id, stop.subscription, stop.qty),  # type: ignore[arg-type]
    )  # fmt: skip


def _news(stop: Stop, holding: Holding) -> News:
    held = Held(
        holding.pk, holding.subscription_id, holding.trader_id, holding.market, holding.symbol, holding.side,
        holding.qty, holding.cost, holding.closing, holding.stop_loss_pct, holding.take_profit_pct,
        holding.trailing_pct, holding.best, holding.opened_at,
    )  # fmt: skip
    cause = Told(stop.cause)
    return News(
        subscription=stop.subscription, user=stop.user, pool=UUID(stop.pool), code=cause.value,
        words=words.fired_words(held, cause, stop.trigger), place=f"{stop.market}:{stop.symbol}",
        market=stop.market, symbol=stop.symbol,
    )  # fmt: skip
