"""What is counted and measured of copies. What happened is counted by whoever did it, once it is committed; how things
stand is read from the tables, by a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from obscura.core.db.statements import of_schema
from obscura.core.metrics import Counter, Gauge, Histogram, Sample
from tenants import scope
from trading.domain.order_state import IN_FLIGHT, Status
from trading.domain.reasons import Reason

BOUNDS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds, close together around what is promised."""

ENVIRONMENTS = ("paper", "live")

PLANNED = Counter("obscura_copies_planned_total", "Copies that were planned: one follower's order for one signal.")
DENIED = Counter(
    "obscura_copies_denied_total", "Copies that we denied, by reason.", ["reason"],
    known=tuple(reason.value for reason in Reason),
)  # fmt: skip
REACHED = Counter(
    "obscura_copies_total",
    "Orders that came into a state. Most reach one of the five that end them; a late truth may follow.",
    ["state"], known=tuple(state.name.lower() for state in Status if state not in (Status.PLANNED, Status.SENDING)),
)  # fmt: skip
FIRST = Histogram(
    "obscura_copy_first_order_seconds",
    "From the lead's trade until the exchange had accepted the first order of it, by the exchange's clock.",
    ["environment"], bounds=BOUNDS, known=ENVIRONMENTS,
)  # fmt: skip
LAST = Histogram(
    "obscura_copy_last_order_seconds", "As above, the last order of it.", ["environment"], bounds=BOUNDS,
    known=ENVIRONMENTS,
)  # fmt: skip
COUNTED = (PLANNED, DENIED, REACHED, FIRST, LAST)

FLIGHT = Gauge("obscura_orders_in_flight", "Orders that are not over, by state.", ["state"])
UNSURE = Gauge("obscura_orders_unsure_oldest_seconds", "How long ago the oldest was sent whose fate is not known.")
WAITING = Gauge("obscura_signals_waiting", "Signals that are not planned to their end.")
WAITS = Gauge("obscura_signals_waiting_oldest_seconds", "How long the oldest of them has waited.")

_IN_FLIGHT = ", ".join(str(int(status)) for status in sorted(IN_FLIGHT))

# An order is over before its signal is done, so what is in flight is found through the signals that are not: of those
# there is an index. What all orders ever came to is counted, not read.
_STANDING = f"""select o.status, count(*), extract(epoch from clock_timestamp() - min(o.sent_at))
 from {{s}}.trading_signal g join {{s}}.trading_order o on o.signal_id = g.id
 where g.state <> 'done' and o.status in ({_IN_FLIGHT}) group by o.status
 union all select 0, count(*), extract(epoch from clock_timestamp() - min(received_at))
 from {{s}}.trading_signal where state in ('new', 'planning')"""

_TIMES = """select o.environment, extract(epoch from min(o.accepted_at) - g.lead_at),
   extract(epoch from max(o.accepted_at) - g.lead_at)
 from {s}.trading_signal g join {s}.trading_order o on o.signal_id = g.id and o.accepted_at is not null
 where g.id = any(%s) and g.source in ('lead', 'api', 'relay') group by g.id, o.environment"""


def planned(*, copies: int, denied: Mapping[Reason, int]) -> None:
    """Count what a chunk of followers came to."""
    PLANNED.add(n=copies)
    for reason, count in denied.items():
        DENIED.add(reason.value, n=count)


def reached(counts: Mapping[Status, int]) -> None:
    """Count orders that came into states."""
    for status, count in counts.items():
        REACHED.add(status.name.lower(), n=count)


def finished(session: Any, *, schema: str, signals: Sequence[int]) -> None:
    """Take the times of signals that have just been found done. One that came back to life counts again.

    :param session: a psycopg connection
    """
    for environment, first, last in session.execute(of_schema(_TIMES, schema), [list(signals)]).fetchall():
        FIRST.took(float(first), environment)
        LAST.took(float(last), environment)


def standing() -> list[Sample]:
    """How all tenants' trades stand, at the cost of what is in flight."""
    in_flight = dict.fromkeys(IN_FLIGHT, 0)
    waiting, waits, unsure = 0, 0.0, 0.0
    for tenant in scope.each(reason="numbers of the platform", suspended=True):
        with connection.cursor() as cursor:
            cursor.execute(of_schema(_STANDING, tenant.schema_name))
            rows = cursor.fetchall()
        for status, count, age in rows:
            age = max(0.0, float(age or 0))
            if status:
                in_flight[Status(status)] += count
                unsure = max(unsure, age) if status == Status.UNSURE else unsure
            else:
                waiting, waits = waiting + count, max(waits, age)
    flight = [FLIGHT.at(count, state.name.lower()) for state, count in in_flight.items()]
    return [*flight, UNSURE.at(unsure), WAITING.at(waiting), WAITS.at(waits)]
