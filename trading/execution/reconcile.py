"""Ask the venue about orders whose fate is not known, and act on what it says. The sweep behind the exactly-once claim.

An order whose lease ran out was perhaps sent, perhaps not: it becomes UNSURE and the venue is asked by client order id.
Known: its state is adopted. Not known, twice, after the receive window has passed: it does not exist and never will, so
it may be sent again under the same id while the trade is fresh (a close: always). Not known and stale: MISSED, told.
No answer: asked again later. Nothing here sends what might exist.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

from citadel.client import Chunk, Result
from obscura.core import clock, log
from obscura.core.money import ZERO
from pools import followers
from pools import services as pools
from tenants import scope
from trading import metrics
from trading.domain.order_state import Status
from trading.domain.reasons import Reason
from trading.execution import db, gate, limits, results, store, trades
from trading.execution.accounts import checks
from trading.execution.execute import execute, load_signal, unwanted
from trading.execution.lane import lane
from trading.execution.limits import Place
from trading.execution.results import Told
from trading.execution.store import Claimed, SignalRow
from trading.execution.submit import Flight, place
from trading.venues import binance
from trading.venues.binance import Report

_logger = log.get("reconcile")

AT_ONCE = 300
MARGIN_MS = 500
ASK_AGAIN_MS = 2000


class Asked(NamedTuple):
    """An order to ask after: the columns of CLAIMED, and those of TAKE_LEASE behind them."""

    order: Claimed
    market: str
    symbol: str
    effect: str
    lead_at: datetime
    error_code: str
    status: Status
    side: str
    exchange: str
    position_side: str


def sweep(*, schema: str, fly: Callable[[Flight], object] = Flight.landed) -> dict[str, int]:
    """One round of one tenant: finish signals, send what got stuck, ask after what is unsure. Returns counts.

    :param fly: what to do with what was sent: wait until it has landed, or `submit.let_fly`
    """
    counts = {"asked": 0, "adopted": 0, "again": 0, "missed": 0, "stuck": 0}
    counts["asked"], counts["adopted"], counts["again"], counts["missed"] = _ask_after_expired(schema, fly)
    session = db.session()
    stuck = session.execute(db.sql(store.STUCK_RANGES, schema)).fetchall()
    if stuck:
        session.execute(db.sql(store.MARK_SWEPT, schema), [[row[0] for row in stuck]])
    for signal_id, first, last in stuck:
        counts["stuck"] += execute(schema=schema, signal_id=signal_id, first=first, last=last, fly=fly)
    done = [row[0] for row in session.execute(db.sql(store.FINISH_SIGNALS, schema)).fetchall()]
    if done:
        metrics.finished(session, schema=schema, signals=done)
    counts["ended"] = end_closed(schema=schema)
    return counts


def end_closed(*, schema: str) -> int:
    """End subscriptions whose owners stopped them, once nothing of them is open or on its way."""
    session = db.session()
    waiting = followers.closing(session.cursor(), schema=schema)
    if not waiting:
        return 0
    held = {row[0] for row in session.execute(db.sql(store.STILL_HELD, schema), [waiting]).fetchall()}
    with scope.entered(schema):
        free = [subscription for subscription in waiting if subscription not in held]
        return sum(pools.end_subscription(subscription_id=one, actor="system") for one in free)


def _ask_after_expired(schema: str, fly: Callable[[Flight], object]) -> tuple[int, int, int, int]:
    session = db.session()
    with session.transaction():
        cursor = session.cursor()
        due = cursor.execute(db.sql(store.EXPIRED_LEASES, schema), [AT_ONCE]).fetchall()
        if not due:
            return 0, 0, 0, 0
        lease = settings.COPY_HTTP_TIMEOUT_MS + ASK_AGAIN_MS
        rows = cursor.execute(db.sql(store.TAKE_LEASE, schema), [lease, [row[0] for row in due]]).fetchall()
    return _ask_after(schema, rows, fly)


def ask_after(*, schema: str, orders: Sequence[int]) -> int:
    """Ask the venue about these orders, whatever we think of them, and adopt what it says. Returns how many it knew."""
    lease = settings.COPY_HTTP_TIMEOUT_MS + ASK_AGAIN_MS
    rows = db.session().execute(db.sql(store.TAKE_LEASE, schema), [lease, list(orders)]).fetchall()
    return _ask_after(schema, rows, Flight.landed)[1]


def _ask_after(schema: str, rows: Sequence[Any], fly: Callable[[Flight], object]) -> tuple[int, int, int, int]:
    """Returns how many were asked after, adopted, sent again and given up."""
    width = len(Claimed._fields)
    asked = [
        Asked(Claimed(*row[:width]), *row[width : width + 5], Status(row[width + 5]), *row[width + 6 :]) for row in rows
    ]
    by_signal: dict[int, list[Asked]] = defaultdict(list)
    for item in asked:
        by_signal[item.order.signal].append(item)
    adopted = again = missed = 0
    for signal_id, members in by_signal.items():
        signal = load_signal(schema=schema, signal_id=signal_id)
        assert signal is not None
        known, unknown = _ask(schema, signal, members)
        known = _with_trades(schema, signal, known)
        results.write(schema=schema, signal=signal, told=known)
        adopted += len(known)
        resent, gone = _act_on_unknown(schema, signal, unknown, fly)
        again, missed = again + resent, missed + gone
        if known or resent or gone:
            # Where something was in doubt, the record and the venue may have parted.
            doubted = [item.order.subscription for item in members if item.status is Status.UNSURE]
            checks.soon(schema=schema, subscriptions=doubted, within_s=checks.AGAIN_S)
    return len(asked), adopted, again, missed


def _ask(schema: str, signal: SignalRow, members: Sequence[Asked]) -> tuple[list[Told], list[Asked]]:
    """Ask the venue about each. Returns what it knows, and the orders it says it does not know."""
    answers = ask_venue(schema=schema, signal=signal, members=members)
    by_id = {item.order.id: item for item in members}
    known: list[Told] = []
    unknown: list[Asked] = []
    for result in answers:
        report = binance.read_order(status=result.status, body=result.body)
        if report.status is None:
            unknown.append(by_id[result.row])
        elif report.status not in (Status.UNSURE, Status.REJECTED, Status.MISSED, Status.PLANNED):
            known.append(Told(result.row, None, report))
        # Anything else is no answer about the order: the lease brings it back.
    return known, unknown


def _with_trades(schema: str, signal: SignalRow, known: list[Told]) -> list[Told]:
    """The reports with the trades they sum up. One whose trades cannot be had now is left for the next round.

    A close that waits for an adopted open must not sell what the venue kept as its fee.
    """
    bare = [told.order for told in known if told.report.filled and not told.report.trades]
    if not bare:
        return known
    rows = db.session().execute(db.sql(_ORDERS_ASKED, schema), [bare]).fetchall()
    venue_ids = {told.order: told.report.venue_id for told in known}
    named_rows = [(row[0], row[1], row[2], row[3], venue_ids[row[0]]) for row in rows]
    answers = trades.ask(schema=schema, signal=signal, rows=named_rows, kind=limits.ASK)
    named = {answer.row: binance.read_trades(body=answer.body) for answer in answers if answer.status == 200}
    complete = []
    for told in known:
        if told.order in named:
            told = told._replace(report=told.report._replace(trades=named[told.order]))
        if not told.report.filled or sum(trade.qty for trade in told.report.trades) == told.report.filled:
            complete.append(told)
    return complete


def ask_venue(*, schema: str, signal: SignalRow, members: Sequence[Asked]) -> list[Result]:
    """One question for each order, by client order id."""
    groups = _admitted(schema, signal, members)
    now = clock.millis(clock.now())
    window = settings.COPY_RECV_WINDOW_MS
    chunks = [
        Chunk(
            venue=signal.exchange,
            market=signal.market,
            env=where.environment,
            method="GET",
            path=binance.ORDER_PATH[signal.market],
            head=binance.question(symbol=signal.symbol, recv_window_ms=window),
            rows=[
                (
                    item.order.id,
                    UUID(item.order.account).bytes,
                    f"&origClientOrderId={item.order.client_id}&timestamp={now}".encode(),
                )
                for item in group
            ],
            not_after_ms=now + window // 2,
            timeout_ms=settings.COPY_HTTP_TIMEOUT_MS,
            address=where.address,
        )
        for where, group in groups.items()
    ]
    heard: list[Result] = []
    sent = lane().send(schema=schema, chunks=chunks, on_results=heard.extend)
    sent.result(timeout=settings.COPY_HTTP_TIMEOUT_MS / 1000 + window / 1000 + 2)
    for where, group in groups.items():
        mine = {item.order.id for item in group}
        limits.heed(where, [answer for answer in heard if answer.row in mine])
    return heard


def _admitted(schema: str, signal: SignalRow, members: Sequence[Asked]) -> dict[Place, list[Asked]]:
    """Those that may be asked after now, by place. The lease brings the others back."""
    by_id = {item.order.id: item for item in members}
    found: dict[Place, list[Asked]] = {}
    for where, rows in gate.places(schema=schema, signal=signal, rows=[item.order for item in members]).items():
        weight = where.venue.question_weight if where.venue else 1
        admitted = limits.admit(where, limits.ASK, count=len(rows), weight=weight)
        going = [by_id[row.id] for at, row in enumerate(rows) if admitted.held(at) is None]
        if going:
            found[where] = going
    return found


_ORDERS_ASKED = """select id, account_id::text, environment, client_id from {s}.trading_order where id = any(%s)"""


def _act_on_unknown(
    schema: str, signal: SignalRow, unknown: Sequence[Asked], fly: Callable[[Flight], object]
) -> tuple[int, int]:
    """The venue does not know these orders. Returns how many were sent again and how many are missed."""
    now = clock.millis(clock.now())
    window = settings.COPY_RECV_WINDOW_MS
    # Only UNSURE may go on; and only after the fence, when whatever is still under way would be refused by the venue.
    passed = [
        item for item in unknown if item.status is Status.UNSURE and now > item.order.sent_ms + window + MARGIN_MS
    ]
    first_time = [item.order.id for item in passed if item.error_code != "asked_once"]
    certain = [item for item in passed if item.error_code == "asked_once"]
    session = db.session()
    if first_time:
        # An exchange may know an order before its database does: one "unknown" is not believed.
        session.execute(db.sql(store.ASKED_ONCE, schema), [first_time])
    if not certain:
        return 0, 0
    why = unwanted(schema, signal)
    if why is not None:
        late = "the trade is too old by now" if why is Reason.STALE_SIGNAL else "copying was stopped meanwhile"
        words = f"The exchange never received it, and {late}"
        report = Report(Status.MISSED, "", ZERO, None, ZERO, "missed", words, None, ())
        results.write(schema=schema, signal=signal, told=[Told(item.order.id, None, report) for item in certain])
        return 0, len(certain)
    # The place in the buckets comes first: what finds none stays unsure, as nothing about it has changed.
    passed_gate = gate.fit(schema=schema, signal=signal, rows=[item.order for item in certain])
    orders = [row.id for free in passed_gate.free.values() for row in free]
    if not orders:
        return 0, 0
    rows = session.execute(db.sql(store.SEND_AGAIN, schema), [settings.COPY_LEASE_MS, orders]).fetchall()
    claimed = [Claimed(*row) for row in rows]
    if claimed:
        _logger.info("reconcile.again", schema=schema, signal=signal.id, orders=len(claimed))
        fly(place(schema=schema, signal=signal, rows=claimed, again=True))
    return len(claimed), 0
