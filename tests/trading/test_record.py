"""Signals are recorded once, numbered in their pool's lane, and move the lead's position with them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction

from obscura.core.ids import signal_id
from obscura.core.nudge.models import Nudge
from proofs.domain.receipts import leaf
from tenants.scope import entered
from trading.models import LeadPosition, PoolLane, Signal
from trading.signals.record import LEAD, LEAF_FIELDS, Recorded, Source, record

D = Decimal
POOL, ADA = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def source(external_id: str, side: str = "buy", qty: str = "1", **fields) -> Source:
    return Source(
        **{
            "external_id": external_id,
            "source": LEAD,
            "trader_id": ADA,
            "market": "usdm",
            "symbol": "BTCUSDT",
            "side": side,
            "qty": D(qty),
            "price": D("60000"),
            "lead_at": NOON,
            "received_at": NOON,
        }
        | fields
    )


def said(found: Recorded) -> list[tuple]:
    return [(one.seq, one.leg, one.effect, one.qty, one.fraction) for one in found.signals]


def test_an_open_and_a_part_closed(alpha):
    [opened] = record(pool_id=POOL, sources=[source("a")])
    [closed] = record(pool_id=POOL, sources=[source("b", "sell", "0.25")])

    assert said(opened) == [(1, 0, "open", D(1), D(1))]
    assert said(closed) == [(2, 0, "close", D("0.25"), D("0.25"))]
    assert LeadPosition.objects.get().qty == D("0.75")
    assert PoolLane.objects.get().last_seq == 2
    assert list(Nudge.objects.values_list("task", "queue", "tenant")) == [("trading.plan", "normal", "t_alpha")] * 2


def test_a_flip_is_two_signals(alpha):
    record(pool_id=POOL, sources=[source("a")])

    [flip] = record(pool_id=POOL, sources=[source("b", "sell", "3")])

    assert said(flip) == [(2, 0, "close", D(1), D(1)), (3, 1, "open", D(2), D(1))]
    assert LeadPosition.objects.get().qty == D(-2)


def test_a_signal_says_since_when_its_position_is_held(alpha):
    times = [NOON + timedelta(minutes=minute) for minute in range(5)]
    steps = [("buy", "1"), ("buy", "1"), ("sell", "0.5"), ("sell", "1.5"), ("buy", "1")]
    record(
        pool_id=POOL,
        sources=[source(f"s{n}", *step, lead_at=times[n]) for n, step in enumerate(steps)],
    )

    since = list(Signal.objects.order_by("seq").values_list("position_since", flat=True))
    assert since == [None, times[0], times[0], times[0], None]
    assert LeadPosition.objects.get().opened_at == times[4]


def test_the_same_again_returns_what_is_there_and_changes_nothing(alpha):
    [first] = record(pool_id=POOL, sources=[source("a")])

    [again] = record(pool_id=POOL, sources=[source("a", qty="7")])

    assert (first.made, again.made) == (True, False)
    assert [one.pk for one in again.signals] == [one.pk for one in first.signals]
    assert again.signals[0].qty == 1
    assert LeadPosition.objects.get().qty == 1
    assert PoolLane.objects.get().last_seq == 1
    assert Nudge.objects.count() == 1


def test_many_at_once_keep_their_order_and_their_own_repeats(alpha):
    found = record(pool_id=POOL, sources=[source("a"), source("b", "sell", "2"), source("a"), source("c", priority=0)])

    assert [one.made for one in found] == [True, True, False, True]
    assert [said(one) for one in found] == [
        [(1, 0, "open", D(1), D(1))],
        [(2, 0, "close", D(1), D(1)), (3, 1, "open", D(1), D(1))],
        [(1, 0, "open", D(1), D(1))],
        [(4, 0, "close", D(1), D(1))],
    ]
    assert list(Nudge.objects.order_by("pk").values_list("queue", "ids__urgency")) == [("critical", 0), ("normal", 50)]


def test_what_a_test_key_sends_moves_no_real_position(alpha):
    record(pool_id=POOL, sources=[source("a"), source("test", "sell", "5", test_only=True)])

    [closed] = record(pool_id=POOL, sources=[source("b", "sell", "1")])

    assert said(closed)[0][2:] == ("close", D(1), D(1))
    assert {row.test: row.qty for row in LeadPosition.objects.all()} == {False: D(0), True: D(-5)}


def test_a_taken_id_is_stepped_over(alpha, monkeypatch):
    taken = signal_id(pool=POOL, external_id="a", leg=0)
    record(pool_id=UUID(int=9), sources=[source("x")])
    Signal.objects.update(id=taken)

    [found] = record(pool_id=POOL, sources=[source("a")])

    assert found.signals[0].pk == signal_id(pool=POOL, external_id="a", leg=0, probe=1)


def test_the_leaf_is_that_of_the_stored_row(alpha):
    record(pool_id=POOL, sources=[source("a"), source("b", "sell", "0.3333333333")])

    for row in Signal.objects.all():
        assert bytes(row.leaf) == leaf("signal", (getattr(row, name) for name in LEAF_FIELDS))


def test_a_lost_transaction_leaves_nothing(alpha):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(pool_id=POOL, sources=[source("a")])
        raise ZeroDivisionError

    assert not Signal.objects.exists() and not LeadPosition.objects.exists() and not Nudge.objects.exists()


def test_many_at_the_same_time_are_serial_and_once(committed, alpha):
    barrier, made = threading.Barrier(4), []

    def work(offset: int) -> None:
        try:
            with entered(alpha):
                barrier.wait()
                for number in range(10):
                    [one] = record(pool_id=POOL, sources=[source(f"s{(number + offset) % 10}")])
                    made.append(one.made)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(offset,)) for offset in (0, 0, 3, 7)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert (len(made), sum(made)) == (40, 10)
    assert sorted(Signal.objects.values_list("seq", flat=True)) == list(range(1, 11))
    assert LeadPosition.objects.get().qty == 10
