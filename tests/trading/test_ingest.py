"""Lead fills are written once, and become the same signals whatever came when and whoever was killed."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from obscura.core import clock
from obscura.core.nudge.models import Nudge
from proofs.domain.receipts import leaf
from tenants.scope import entered
from tests.trading.support import NOON, fill, flat, lead
from trading.models import AccountPosition, LeadFill, LeadPosition, Signal, Watermark
from trading.sentinel import ingest as door
from trading.sentinel import marks
from trading.sentinel.ingest import LEAF_FIELDS, Ingested, group, ingest

D = Decimal


def held() -> dict[tuple[str, str], Decimal]:
    """What the book says that the lead holds."""
    rows = AccountPosition.objects.exclude(symbol="")
    return {(row.symbol, row.side): row.qty for row in rows}


@pytest.fixture
def ada(alpha, cast, still):
    """Ada's trader, who leads one pool and held nothing when the watch began."""
    _, trader = lead(cast.ada())
    flat(trader)
    return trader


def test_a_filled_order_becomes_a_signal_at_once(ada):
    found = ingest(account_id=ada.account_id, fills=[fill(1, qty="0.5"), fill(2, qty="1.5", price="60400", done=True)])

    assert found == Ingested(new=2, signals=1)
    signal = Signal.objects.get()
    assert (signal.external_id, signal.effect, signal.qty, signal.price) == ("usdm:BTCUSDT:7:2", "open", D(2), D(60300))
    assert (signal.source, signal.trader_id, signal.lead_at) == ("lead", ada.pk, NOON)
    assert set(LeadFill.objects.values_list("external_id", flat=True)) == {"usdm:BTCUSDT:7:2"}
    assert list(Nudge.objects.values_list("task", flat=True)) == ["trading.plan"]


def test_a_part_filled_order_waits_for_its_window_and_is_promised(ada, still):
    found = ingest(account_id=ada.account_id, fills=[fill(1)])
    assert (found.new, found.signals, found.until) == (1, 0, NOON + timedelta(milliseconds=100))
    assert list(Nudge.objects.values_list("task", flat=True)) == ["trading.group"]

    still.forward(seconds=0.1)
    grouped = group(account_id=ada.account_id, promised=found.promise)

    assert (grouped.signals, grouped.until, grouped.promise) == (1, None, None)
    assert Signal.objects.get().external_id == "usdm:BTCUSDT:7:1"
    assert list(Nudge.objects.values_list("task", flat=True)) == ["trading.plan"]


def test_the_same_fills_again_change_nothing(ada):
    fills = [fill(1), fill(2, done=True)]
    ingest(account_id=ada.account_id, fills=fills)

    assert ingest(account_id=ada.account_id, fills=[*fills, *fills]) == Ingested()
    assert (LeadFill.objects.count(), Signal.objects.count()) == (2, 1)


def test_a_fill_that_comes_late_is_a_delta_of_its_own(ada, still):
    ingest(account_id=ada.account_id, fills=[fill(2, qty="3", done=True)])
    ingest(account_id=ada.account_id, fills=[fill(1, qty="2", backfilled=True)])
    still.forward(seconds=0.1)
    group(account_id=ada.account_id)

    assert [(one.external_id, one.qty) for one in Signal.objects.order_by("seq")] == [
        ("usdm:BTCUSDT:7:3", D(3)),
        ("usdm:BTCUSDT:7:5", D(2)),
    ]


def test_a_lead_of_two_pools_makes_a_signal_in_each_with_its_weight(alpha, cast, still):
    from pools.models import Pool, PoolTrader

    first, trader = lead(cast.ada())
    flat(trader)
    second = Pool.objects.create(kind="partner", name="Ebb", status="active", created_at=NOON)
    PoolTrader.objects.create(pool=second, trader=trader, weight=D("0.25"))

    found = ingest(account_id=trader.account_id, fills=[fill(1, done=True)])

    assert found.signals == 2
    assert {one.pool_id: one.weight for one in Signal.objects.all()} == {first.pk: D(1), second.pk: D("0.25")}


def test_two_orders_interleaved_are_two_signals(ada, still):
    ingest(
        account_id=ada.account_id,
        fills=[
            fill(1, order=7),
            fill(2, order=8, side="sell"),
            fill(3, order=7, done=True),
            fill(4, order=8, side="sell"),
        ],
    )
    still.forward(seconds=0.1)
    group(account_id=ada.account_id)

    assert [(one.external_id, one.effect, one.fraction) for one in Signal.objects.order_by("seq")] == [
        ("usdm:BTCUSDT:7:2", "open", D(1)),
        ("usdm:BTCUSDT:8:2", "close", D(1)),
    ]
    assert held() == {("BTCUSDT", "BOTH"): 0}


def test_spot_fees_in_kind_leave_no_rest(ada):
    bought = {"market": "spot", "fee": D("0.001"), "fee_asset": "BTC"}
    ingest(account_id=ada.account_id, fills=[fill(1, done=True, **bought)])
    ingest(account_id=ada.account_id, fills=[fill(2, order=8, side="sell", qty="0.999", market="spot", done=True)])

    closed = Signal.objects.get(effect="close")
    assert (closed.fraction, LeadPosition.objects.get().qty) == (1, 0)


def test_the_leaf_is_that_of_the_stored_fill_and_the_same_from_stream_and_history(ada):
    ingest(account_id=ada.account_id, fills=[fill(1)])

    row = LeadFill.objects.get()
    assert bytes(row.leaf) == leaf("lead_fill", (getattr(row, name) for name in LEAF_FIELDS))
    assert "received_at" not in LEAF_FIELDS and "backfilled" not in LEAF_FIELDS


def test_a_process_that_dies_in_the_transaction_leaves_nothing(ada):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ingest(account_id=ada.account_id, fills=[fill(1, done=True)])
        raise ZeroDivisionError

    assert not LeadFill.objects.exists()
    assert ingest(account_id=ada.account_id, fills=[fill(1, done=True)]).signals == 1


@pytest.mark.parametrize("seed", range(8))
def test_restarts_and_repeats_never_change_what_is_copied(ada, still, seed):
    chance = random.Random(seed)
    fills = [
        fill(n, order=7 + n // 5, qty=str(n), side="sell" if n // 5 == 1 else "buy", done=n % 5 == 4)
        for n in range(1, 15)
    ]
    order = [*fills, *chance.sample(fills, 6)]
    chance.shuffle(order)
    while order:
        some, order = order[:3], order[3:]
        ingest(account_id=ada.account_id, fills=some)
        still.forward(seconds=chance.choice([0, 0.02, 0.2]))
        if chance.random() < 0.3:  # a process that knows nothing of what was promised
            group(account_id=ada.account_id)
    still.forward(seconds=2)
    door.sweep()

    before = list(Signal.objects.order_by("seq").values_list("external_id", "leg", "qty"))
    ingest(account_id=ada.account_id, fills=fills)
    group(account_id=ada.account_id)
    assert list(Signal.objects.order_by("seq").values_list("external_id", "leg", "qty")) == before
    assert LeadFill.objects.filter(external_id=None).count() == 0
    assert Signal.objects.aggregate(total=Sum("qty"))["total"] == sum(one.qty for one in fills)
    net = sum(one.qty if one.side == "buy" else -one.qty for one in fills)
    assert held() == {("BTCUSDT", "BOTH"): net}


def test_the_sweep_groups_what_its_process_forgot(ada, still):
    ingest(account_id=ada.account_id, fills=[fill(1)])
    assert door.sweep() == 0

    still.forward(seconds=1.2)

    assert door.sweep() == 1
    assert Signal.objects.count() == 1


def test_a_live_fill_moves_no_watermark(ada):
    began = NOON - timedelta(minutes=5)
    marks.begin(account_id=ada.account_id, market="usdm", now=began)
    ingest(account_id=ada.account_id, fills=[fill(9, done=True)])

    [mark] = marks.in_play(account_id=ada.account_id, market="usdm", trader_id=ada.pk)

    assert (mark.symbol, mark.from_id, mark.since) == ("BTCUSDT", None, began)


def test_a_backfill_that_ended_moves_it_and_the_next_begins_a_minute_earlier(ada):
    marks.begin(account_id=ada.account_id, market="usdm", now=NOON)
    fills = [fill(5, at=NOON - timedelta(minutes=3)), fill(6, at=NOON - timedelta(seconds=30)), fill(9, done=True)]
    where = {"account_id": ada.account_id, "market": "usdm", "exchange": "binance", "environment": "paper"}
    marks.advance(**where, symbol="BTCUSDT", fills=fills)

    [mark] = marks.in_play(account_id=ada.account_id, market="usdm", trader_id=ada.pk)

    assert mark.from_id == 6
    assert marks.begin(account_id=ada.account_id, market="usdm", now=NOON + timedelta(days=1)) == NOON
    marks.advance(**where, symbol="BTCUSDT", fills=fills[:1])
    assert Watermark.objects.get(symbol="BTCUSDT").trade_id == 9


def test_symbols_held_and_suspected_are_asked_for_too(ada):
    marks.begin(account_id=ada.account_id, market="usdm", now=NOON)
    LeadPosition.objects.create(
        pool_id=ada.pk, trader_id=ada.pk, market="usdm", symbol="ETHUSDT", qty=D(1), updated_at=NOON
    )
    AccountPosition.objects.create(
        account_id=ada.account_id, market="usdm", symbol="XRPUSDT", side="BOTH", qty=D(-9), counted_until=NOON
    )

    found = marks.in_play(account_id=ada.account_id, market="usdm", trader_id=ada.pk, more=["SOLUSDT"])

    assert [one.symbol for one in found] == ["ETHUSDT", "SOLUSDT", "XRPUSDT"]


def test_everybody_tells_the_same_fills_at_once(committed, alpha, cast):
    _, trader = lead(cast.ada())
    flat(trader)
    ago = clock.now() - timedelta(minutes=1)
    fills = [fill(n, order=n // 3, qty=str(n), done=n % 3 == 2, received_at=ago) for n in range(1, 31)]
    barrier, news = threading.Barrier(4), []

    def work(seed: int) -> None:
        mine = random.Random(seed).sample(fills, len(fills))
        try:
            with entered(alpha):
                barrier.wait()
                for start in range(0, len(mine), 4):
                    news.append(ingest(account_id=trader.account_id, fills=mine[start : start + 4]).new)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    door.sweep()

    assert sum(news) == LeadFill.objects.count() == 30
    assert Signal.objects.aggregate(total=Sum("qty"))["total"] == sum(range(1, 31))
    assert sorted(Signal.objects.values_list("seq", flat=True)) == list(range(1, Signal.objects.count() + 1))


def test_what_ends_a_risk_is_more_urgent_than_what_begins_one(ada):
    ingest(account_id=ada.account_id, fills=[fill(1, done=True)])
    ingest(account_id=ada.account_id, fills=[fill(2, order=8, side="sell", qty="3", done=True)])

    # The second trade turns the position around: a close of the whole and an open.
    assert list(Signal.objects.order_by("seq").values_list("effect", "priority")) == [
        ("open", 50), ("close", 10), ("open", 50),
    ]  # fmt: skip
    assert list(Nudge.objects.order_by("pk").values_list("queue", flat=True)) == ["normal", "high", "normal"]
