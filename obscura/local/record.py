"""What a run left behind, read from every tenant and from the venue, in the shape the laws are checked in."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from obscura.local.figures import Copies
from obscura.local.laws import AT_VENUE, DenialRow, Execution, LeadTrade, OrderRow, Run, SignalRow
from obscura.local.venue import Control, executions
from pools.models import Subscription
from tenants import services as tenants
from trading.domain.order_state import Status
from trading.models import Denial, LeadFill, Order, Signal

STATUS = {int(status): status.name for status in Status}


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead's account: where it is kept, and under which key the venue knows it."""

    schema: str
    account: UUID
    api_key: str


@dataclass(frozen=True, slots=True)
class Window:
    """What belongs to a run: everything from this moment on, and what leads did at the venue.

    :param trades: of leads, from the venue's answers to their orders
    :param orders: of leads: client order id by the venue's order id
    """

    since: datetime
    leads: Sequence[Lead]
    trades: Collection[LeadTrade]
    orders: Mapping[str, str]

    @property
    def since_us(self) -> int:
        return int(self.since.timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True)
class Record:
    """A run, and what its figures are made of.

    :param copies: of each order of a lead, in the order in which they were placed
    :param known: when the last result of a lead's order was written down, by the order's time (epoch microseconds)
    """

    run: Run
    copies: Sequence[Copies]
    tenants: int
    known: Mapping[int, int]


def trades_of(account: UUID, market: str, symbol: str, answer: Mapping[str, Any]) -> list[LeadTrade]:
    """The trades in the venue's answer to a lead's order."""
    rows = answer.get("fills") if market == "spot" else answer.get("trades")
    names = ("tradeId", "id", "t")
    found = []
    for row in rows or ():
        number = next(row[name] for name in names if name in row)
        found.append(LeadTrade(str(account), market, symbol, str(number)))
    return found


def read(*, window: Window, control: Control) -> Record:
    """Everything of the run, from the database and from the venue's own record."""
    lead_keys = {lead.api_key for lead in window.leads}
    rows = control.executions("")
    of_followers = {name: row for name, row in rows.items() if row["api_key"] not in lead_keys}
    found = executions(of_followers, since_us=window.since_us)
    signals: list[SignalRow] = []
    orders: list[OrderRow] = []
    denials: list[DenialRow] = []
    told: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    followers: dict[str, dict[str, frozenset[int]]] = {}
    done: dict[str, datetime | None] = {}
    for tenant in tenants.each(reason="record of a run"):
        schema = str(tenant.schema_name)
        followers[schema] = _followers()
        here = list(Signal.objects.filter(received_at__gte=window.since))
        for signal in here:
            live = followers[schema].get(str(signal.pool_id), frozenset())
            if signal.only_for is not None:  # of one follower alone, and of one tenant alone
                alone = live & {signal.only_for}
                signals.append(SignalRow(schema, signal.id, str(signal.pool_id), alone, signal.state == "done"))
                continue
            signals.append(SignalRow(schema, signal.id, str(signal.pool_id), live, signal.state == "done"))
            told[(str(signal.pool_id), signal.external_id)].append((schema, signal.id))
        ids = [signal.id for signal in here]
        orders += _orders(schema, ids)
        done |= dict(Order.objects.filter(signal_id__in=ids).values_list("client_id", "done_at"))
        denials += [
            DenialRow(schema, *row)
            for row in Denial.objects.filter(signal_id__in=ids).values_list("signal_id", "subscription_id", "reason")
        ]
    signals += _missing(signals, told, followers)
    fills, unused, causes = _lead_fills(window)
    run = Run(
        signals=signals,
        orders=orders,
        denials=denials,
        executions=found,
        venue_trades=window.trades,
        lead_fills=fills,
        unused_fills=unused,
    )
    copies, known = _copies(rows, window, causes, told, orders, found, done)
    return Record(run, copies, len(followers), known)


def unsettled(*, window: Window) -> str:
    """What a run still waits for, in words; empty when every lead trade is recorded and used and every signal done."""
    fills, unused, _ = _lead_fills(window)
    if missing := set(window.trades) - set(fills):
        return f"{len(missing)} of {len(window.trades)} lead trades are not recorded"
    if unused:
        return f"{unused} lead fills are not signals yet"
    for tenant in tenants.each(reason="has the run settled"):
        if count := Signal.objects.filter(received_at__gte=window.since).exclude(state="done").count():
            return f"{count} signals of {tenant.schema_name} are not done"
    with connection.cursor() as cursor:
        cursor.execute(_PROMISED, [list(_COPYING), window.since])
        rows = cursor.fetchall()
    return ", ".join(f"{count} promised {task} are not done" for task, count in rows)


def wait_until_settled(
    *, window: Callable[[], Window], limit: float, every: float = 0.25, tell: Callable[[str], object] = len
) -> str:
    """Wait until nothing is unsettled, at most `limit` seconds. What is still waited for then; empty when all came.

    :param tell: called every ten seconds with what is waited for
    """
    end, told = time.monotonic() + limit, time.monotonic()
    while waits := unsettled(window=window()):
        if time.monotonic() > end:
            return waits
        if time.monotonic() > told + TELL_S:
            told = time.monotonic()
            tell(waits)
        time.sleep(every)
    return ""


TELL_S = 10.0
_COPYING = ("trading.plan", "trading.execute", "trading.relay", "trading.group")
_PROMISED = """select task, count(*) from public.nudge_nudge where not dead and task = any(%s) and created_at >= %s
 group by task order by task"""


def _followers() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for pool, subscription in Subscription.objects.exclude(status="ended").values_list("pool_id", "id"):
        found[str(pool)].add(subscription)
    return {pool: frozenset(ids) for pool, ids in found.items()}


def _orders(schema: str, signals: Sequence[int]) -> list[OrderRow]:
    rows = Order.objects.filter(signal_id__in=signals).values_list(
        "signal_id", "subscription_id", "client_id", "status"
    )
    return [
        OrderRow(schema, signal, subscription, client_id, STATUS[status], STATUS[status] in AT_VENUE)
        for signal, subscription, client_id, status in rows
    ]


def _missing(
    signals: Sequence[SignalRow],
    told: Mapping[tuple[str, str], Sequence[tuple[str, int]]],
    followers: Mapping[str, Mapping[str, frozenset[int]]],
) -> list[SignalRow]:
    """Signals that a tenant with followers of the pool should have and has not: a relay that was lost."""
    known = {(signal.tenant, signal.id) for signal in signals}
    missing = []
    for (pool, _), places in told.items():
        for schema, pools in followers.items():
            for signal in {number for _, number in places}:
                if pools.get(pool) and (schema, signal) not in known:
                    missing.append(SignalRow(schema, signal, pool, pools[pool], done=False))
    return missing


def _lead_fills(window: Window) -> tuple[list[LeadTrade], int, dict[str, set[str]]]:
    """The recorded trades of the run, how many of them became no signal, and external ids by the lead's order id."""
    fills: list[LeadTrade] = []
    unused = 0
    causes: dict[str, set[str]] = defaultdict(set)
    wanted = set(window.trades)
    for lead in window.leads:
        with tenants.entered(lead.schema):
            rows = LeadFill.objects.filter(account_id=lead.account, at__gte=window.since)
            columns = ("market", "symbol", "trade_id", "order_id", "external_id")
            for market, symbol, trade_id, order_id, external_id in rows.values_list(*columns):
                trade = LeadTrade(str(lead.account), market, symbol, trade_id)
                if trade not in wanted:
                    continue  # the lead traded by hand beside the run
                fills.append(trade)
                unused += external_id is None
                if external_id is not None:
                    causes[order_id].add(external_id)
    return fills, unused, causes


def _copies(
    rows: Mapping[str, Mapping[str, Any]],
    window: Window,
    causes: Mapping[str, set[str]],
    told: Mapping[tuple[str, str], Sequence[tuple[str, int]]],
    orders: Sequence[OrderRow],
    found: Mapping[str, Execution],
    done: Mapping[str, datetime | None],
) -> tuple[list[Copies], dict[int, int]]:
    """For each order of a lead: when the venue wrote it, and when it accepted each copy, over all tenants."""
    by_signal: dict[tuple[str, int], list[str]] = defaultdict(list)
    for order in orders:
        by_signal[(order.tenant, order.signal)].append(order.client_id)
    by_external: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for (_, external_id), places in told.items():
        by_external[external_id] += places
    copies, known = [], {}
    for order_id, client_id in window.orders.items():
        at = min(rows[client_id]["times"])
        places = [place for external in causes.get(order_id, ()) for place in by_external[external]]
        names = {name for place in places for name in by_signal[place]}
        copies.append(Copies(at, sorted(moment for name in names if name in found for moment in found[name].times)))
        if moments := [moment for name in names if (moment := done.get(name)) is not None]:
            known[at] = int(max(moments).timestamp() * 1_000_000)
    return copies, known
