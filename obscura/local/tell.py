"""One line about one trade of a lead: how many copied it, how many did not, and how fast."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from typing import NamedTuple

from obscura.local.record import Lead
from tenants import services as tenants
from trading.domain.order_state import TERMINAL, Status
from trading.models import Denial, LeadFill, Order, Signal


class Told(NamedTuple):
    """What became of a trade so far. Milliseconds are the venue's own, from the lead's fill to each acceptance."""

    signals: int
    open: int
    copied: int
    denied: Counter[str]
    after_ms: list[float]


def copies_in_words(*, lead: Lead, order_id: str, limit: float) -> str:
    """Wait until the trade is copied, at most `limit` seconds, and say what became of it."""
    end = time.monotonic() + limit
    told = Told(0, 0, 0, Counter(), [])
    while time.monotonic() < end:
        told = look(lead=lead, order_id=order_id)
        if told.signals and not told.open:
            break
        time.sleep(0.1)
    return words(told)


def words(told: Told) -> str:
    """The line."""
    if not told.signals:
        return "not seen yet"
    parts = [f"{told.copied} copied"]
    if told.after_ms:
        parts[0] += f" within {min(told.after_ms):.0f} to {max(told.after_ms):.0f} ms"
    if told.denied:
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in told.denied.most_common())
        parts.append(f"{told.denied.total()} not copied ({reasons})")
    if told.open:
        parts.append(f"{told.open} on their way")
    return ", ".join(parts)


def look(*, lead: Lead, order_id: str) -> Told:
    """What became of a lead's order until now, over all tenants."""
    with tenants.entered(lead.schema):
        fills = LeadFill.objects.filter(account_id=lead.account, order_id=order_id)
        names = set(fills.exclude(external_id=None).values_list("external_id", flat=True))
    signals = copied = still = 0
    denied: Counter[str] = Counter()
    after: list[float] = []
    for _ in tenants.each(reason="what became of a trade"):
        here = dict(Signal.objects.filter(external_id__in=names).values_list("id", "state"))
        signals += len(here)
        still += sum(state != "done" for state in here.values())
        orders = Order.objects.filter(signal_id__in=here).values_list("status", "lead_at", "accepted_at")
        for status, lead_at, accepted_at in orders:
            if status in (Status.FILLED, Status.PARTIAL):
                copied += 1
            elif status in TERMINAL:
                denied[Status(status).name.lower()] += 1
            if accepted_at is not None:
                after.append(_ms(lead_at, accepted_at))
        denied.update(Denial.objects.filter(signal_id__in=here).values_list("reason", flat=True))
    return Told(signals, still, copied, denied, after)


def _ms(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds() * 1000
