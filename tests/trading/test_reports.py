"""Reports on one order come twice, late and in any order; what is made of them is one state."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.drawn import law
from trading.domain.order_state import Status
from trading.execution.results import Told, _change, _Row
from trading.venues.binance import Report

D = Decimal
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QTY = D(10)


def sending(**changed: Any) -> _Row:
    """An order of ten that is on its way, on its first attempt."""
    row = _Row(
        id=1, subscription=1, user="ben", account="account", status=Status.SENDING, attempts=1, qty=QTY, filled=D(0),
        average=None, reserved=D(100), leverage=1, lead_price=D(1), client_id="c", created_at=NOON, lead_at=NOON,
        sent_at=NOON, accepted_at=None, signal=1, environment="paper",
    )  # fmt: skip
    return row._replace(**changed)


def report(status: Status, filled: int) -> Report:
    average = D(1) if filled else None
    return Report(status, "7", D(filled), average, D(filled), "", "", NOON, ())


def after(row: _Row, reports: list[Report]) -> tuple[Status, Decimal]:
    """Where the order stands when it was told all of them, one after the other, by whoever asked."""
    for one in reports:
        change = _change(row, Told(1, None, one), NOON)
        if change is not None:
            row = row._replace(status=change.to, filled=max(one.filled, row.filled), average=one.average)
    return row.status, row.filled


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Report], list[Report]]:
    """What the venue says of an order from its acceptance to its end, and the same as it may come to us."""
    steps = sorted(draw(st.sets(st.integers(1, 9), max_size=4)))
    told = [report(Status.WORKING, 0), *(report(Status.PARTIAL, step) for step in steps)]
    if draw(st.booleans()):
        told.append(report(Status.FILLED, 10))
    else:
        told.append(report(draw(st.sampled_from([Status.EXPIRED, Status.CANCELED])), steps[-1] if steps else 0))
    again = draw(st.lists(st.sampled_from(told), max_size=4))
    return told, draw(st.permutations([*told, *again]))


@law
@given(stories())
def test_reports_in_any_order_and_any_number_reach_one_state(story):
    told, heard = story

    assert after(sending(), heard) == after(sending(), told) == (told[-1].status, told[-1].filled)


def test_a_fill_that_overtook_the_cancel_is_never_dropped():
    row = sending(status=Status.CANCELED, filled=D(4))

    assert after(row, [report(Status.PARTIAL, 4)]) == (Status.CANCELED, D(4))
    assert after(row, [report(Status.PARTIAL, 6)]) == (Status.PARTIAL, D(6))
    assert after(row, [report(Status.FILLED, 10)]) == (Status.FILLED, D(10))
