"""The laws of copying, checked on the records of one run: ours beside the venue's own. Values in, verdict out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

AT_VENUE = frozenset({"WORKING", "PARTIAL", "FILLED", "CANCELED", "EXPIRED"})
OPEN_ENDED = frozenset({"PLANNED", "SENDING", "UNSURE", "WORKING", "PARTIAL"})
SHOWN = 5


class SignalRow(NamedTuple):
    """A signal of a tenant, and the subscriptions that lived when it came."""

    tenant: str
    id: int
    pool: str
    followers: frozenset[int]
    done: bool = True


class OrderRow(NamedTuple):
    """An order as we keep it."""

    tenant: str
    signal: int
    subscription: int
    client_id: str
    status: str
    accepted: bool = True


class DenialRow(NamedTuple):
    """A denial as we keep it."""

    tenant: str
    signal: int
    subscription: int
    reason: str = ""


class Execution(NamedTuple):
    """What the venue keeps of one client order id: how often it executed, and when (epoch microseconds)."""

    client_id: str
    count: int
    times: tuple[int, ...]


class LeadTrade(NamedTuple):
    """One trade of a lead's account."""

    account: str
    market: str
    symbol: str
    trade_id: str


@dataclass(frozen=True, slots=True)
class Run:
    """Everything about one run.

    :param executions: of followers' accounts alone, by client order id
    :param venue_trades: of leads, as the venue has them; `lead_fills` as we recorded them
    """

    signals: Sequence[SignalRow] = ()
    orders: Sequence[OrderRow] = ()
    denials: Sequence[DenialRow] = ()
    executions: Mapping[str, Execution] = field(default_factory=dict)
    venue_trades: Collection[LeadTrade] = ()
    lead_fills: Sequence[LeadTrade] = ()
    unused_fills: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How often each law was broken, and the first few cases in words."""

    lost: int
    duplicates: int
    unexplained: int
    unfinished: int
    broken: tuple[str, ...]

    @property
    def kept(self) -> bool:
        return not (self.lost or self.duplicates or self.unexplained or self.unfinished)


def check(run: Run) -> Verdict:
    """Hold our records against the venue's.

    lost: a lead's trade that we did not record or never used; a follower of a signal without outcome; an order that we
    call accepted and the venue does not know. duplicates: a client order id that executed more than once; two outcomes
    for one signal and subscription; a lead's trade recorded twice. unexplained: an execution without a row of ours, or
    one whose row says that it never happened. unfinished: signals and orders that have not come to their end.
    """
    findings = _Findings()
    _leads(run, findings)
    _outcomes(run, findings)
    _venue(run, findings)
    for signal in run.signals:
        if not signal.done:
            findings.add("unfinished", f"signal {signal.id} of {signal.tenant} is not done")
    return findings.verdict()


class _Findings:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.words: dict[str, list[str]] = defaultdict(list)

    def add(self, law: str, words: str, times: int = 1) -> None:
        self.counts[law] += times
        self.words[law].append(f"{law}: {words}")

    def verdict(self) -> Verdict:
        words = [text for law in self.words.values() for text in law[:SHOWN]]
        return Verdict(
            lost=self.counts["lost"],
            duplicates=self.counts["duplicates"],
            unexplained=self.counts["unexplained"],
            unfinished=self.counts["unfinished"],
            broken=tuple(words),
        )


def _leads(run: Run, findings: _Findings) -> None:
    recorded = Counter(run.lead_fills)
    for trade in sorted(set(run.venue_trades) - recorded.keys()):
        findings.add("lost", f"the lead's trade {trade.trade_id} in {trade.symbol} was not recorded")
    for trade, times in recorded.items():
        if times > 1:
            findings.add("duplicates", f"the lead's trade {trade.trade_id} was recorded {times} times", times - 1)
    if run.unused_fills:
        findings.add("lost", f"{run.unused_fills} recorded lead fills became no signal", run.unused_fills)


def _outcomes(run: Run, findings: _Findings) -> None:
    outcomes: Counter[tuple[str, int, int]] = Counter()
    for row in (*run.orders, *run.denials):
        outcomes[(row.tenant, row.signal, row.subscription)] += 1
    for (tenant, signal, subscription), times in outcomes.items():
        if times > 1:
            who = f"signal {signal}, subscription {subscription} of {tenant}"
            findings.add("duplicates", f"{times} outcomes for {who}", times - 1)
    for signal in run.signals:
        for subscription in sorted(signal.followers):
            if not outcomes[(signal.tenant, signal.id, subscription)]:
                findings.add(
                    "lost", f"no outcome for signal {signal.id}, subscription {subscription} of {signal.tenant}"
                )


def _venue(run: Run, findings: _Findings) -> None:
    rows = {order.client_id: order for order in run.orders}
    for order in run.orders:
        found = run.executions.get(order.client_id)
        if order.status in OPEN_ENDED:
            findings.add("unfinished", f"order {order.client_id} of {order.tenant} is {order.status}")
        if found is None and order.accepted:
            findings.add("lost", f"order {order.client_id} is {order.status} with us and unknown to the venue")
        if found is not None and not order.accepted and order.status not in OPEN_ENDED:
            findings.add("unexplained", f"order {order.client_id} is {order.status} with us and executed at the venue")
    for client_id, found in run.executions.items():
        if found.count > 1:
            findings.add("duplicates", f"client order id {client_id} executed {found.count} times", found.count - 1)
        if client_id not in rows:
            findings.add("unexplained", f"the venue has order {client_id}, we have no row of it", found.count)
