"""A partner's signal is read strictly and taken once."""

from __future__ import annotations

import threading
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection

from obscura.core.errors import NotFound, Problem
from obscura.core.nudge.models import Nudge
from pools.models import Pool, PoolTrader, Trader
from proofs.domain.receipts import leaf
from tenants.scope import entered
from tests.trading.support import NOBODY, follow, holder, lead
from trading.domain import priorities
from trading.market import cache
from trading.models import Signal
from trading.signals.intake import (
    IdempotencyConflict,
    PoolClosed,
    PoolRemote,
    from_public_id,
    public_id,
    take_signal,
    take_signals,
)
from trading.signals.record import signal_leaf
from trading.signals.request import SignalInvalid, parse

D = Decimal
BUY = {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.015"}


@pytest.fixture(autouse=True)
def _no_rules(redis_db):
    """The venues' rules are not loaded."""
    cache.forget()


@pytest.fixture
def pool(alpha, cast, still) -> Pool:
    pool, _ = lead(cast.ada(), weight="0.5")
    return pool


def test_a_signal_is_queued(pool, alpha, cast, still):
    follow(pool, cast.ben())
    follow(pool, cast.cleo())

    taken = take_signal(pool_id=pool.pk, request=parse(BUY | {"external_trade_id": "t-1"}), key=holder(alpha))

    assert (taken.status, taken.repeated, taken.estimated_subscribers) == ("queued", False, 2)
    assert (taken.idempotency_key, taken.queued_at, taken.priority) == ("t-1", still(), priorities.NORMAL)
    signal = Signal.objects.get(pk=taken.signal_id)
    assert (signal.symbol, signal.market, signal.side, signal.qty) == ("BTCUSDT", "spot", "buy", D("0.015"))
    assert (signal.effect, signal.source, signal.weight, signal.test_only) == ("open", "api", D("0.5"), False)
    assert from_public_id(public_id(signal.pk)) == signal.pk
    assert Nudge.objects.get().task == "trading.plan"


def test_the_same_again_is_the_same_receipt(pool, alpha):
    first = take_signal(pool_id=pool.pk, request=parse(BUY | {"external_trade_id": "t-1"}), key=holder(alpha))

    # Another order of keys and another spelling of the number say the same.
    again = {"external_trade_id": "t-1", "quantity": D("0.0150"), "side": "buy", "symbol": "BTCUSDT"}
    second = take_signal(pool_id=pool.pk, request=parse(again), key=holder(alpha))

    assert second.repeated and second.signal_id == first.signal_id and second.queued_at == first.queued_at
    assert Signal.objects.count() == Nudge.objects.count() == 1


def test_the_same_id_for_something_else_is_refused(pool, alpha):
    take_signal(pool_id=pool.pk, request=parse(BUY | {"external_trade_id": "t-1"}), key=holder(alpha))

    with pytest.raises(IdempotencyConflict) as refusal:
        take_signal(
            pool_id=pool.pk, request=parse(BUY | {"external_trade_id": "t-1", "quantity": "1"}), key=holder(alpha)
        )

    assert (refusal.value.code, refusal.value.http_status) == ("idempotency_conflict", 409)
    assert Signal.objects.get().qty == D("0.015")


def test_without_an_id_each_is_a_signal_of_its_own(pool, alpha):
    first = take_signal(pool_id=pool.pk, request=parse(BUY), key=holder(alpha))
    second = take_signal(pool_id=pool.pk, request=parse(BUY), key=holder(alpha))

    assert first.signal_id != second.signal_id
    assert first.idempotency_key.startswith("gen_")


def test_a_test_key_reaches_paper_accounts_alone_and_has_ids_of_its_own(pool, alpha):
    request = parse(BUY | {"external_trade_id": "t-1"})
    take_signal(pool_id=pool.pk, request=request, key=holder(alpha, environment="test"))
    taken = take_signal(pool_id=pool.pk, request=request, key=holder(alpha))

    assert not taken.repeated
    assert set(Signal.objects.values_list("external_id", "test_only")) == {("test:t-1", True), ("api:t-1", False)}


def test_two_at_the_same_moment_are_one_signal(committed, alpha, cast):
    pool, _ = lead(cast.ada())
    request, key = parse(BUY | {"external_trade_id": "t-1"}), holder(alpha)
    barrier, taken = threading.Barrier(6), []

    def post() -> None:
        try:
            with entered(alpha):
                barrier.wait()
                taken.append(take_signal(pool_id=pool.pk, request=request, key=key))
        finally:
            connection.close()

    threads = [threading.Thread(target=post) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert len({one.signal_id for one in taken}) == 1
    assert sorted(one.repeated for one in taken) == [False] + [True] * 5
    assert Signal.objects.count() == 1


def test_two_different_ones_under_one_id_at_the_same_moment(committed, alpha, cast):
    pool, _ = lead(cast.ada())
    barrier, answers = threading.Barrier(2), []

    def post(quantity: str) -> None:
        try:
            with entered(alpha):
                request = parse(BUY | {"external_trade_id": "t-1", "quantity": quantity})
                barrier.wait()
                answers.extend(take_signals(pool_id=pool.pk, requests=[request], key=holder(alpha)))
        finally:
            connection.close()

    threads = [threading.Thread(target=post, args=(quantity,)) for quantity in ("1", "2")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(type(one).__name__ for one in answers) == ["IdempotencyConflict", "SignalReceipt"]
    assert Signal.objects.count() == 1


def test_pools_that_take_no_signals(pool, alpha):
    def refusal(pool_id=pool.pk) -> tuple[str, int]:
        with pytest.raises(Problem) as caught:
            take_signal(pool_id=pool_id, request=parse(BUY), key=holder(alpha))
        return caught.value.code, caught.value.http_status

    assert refusal(uuid4()) == ("pool_unknown", 404)
    Pool.objects.update(status="draft")
    assert refusal() == (PoolClosed.code, 409)
    Pool.objects.update(status="active", remote=True)
    assert refusal() == (PoolRemote.code, 409)
    assert not Signal.objects.exists()


def test_another_tenants_pool_is_unknown(pool, alpha, beta):
    with entered(beta), pytest.raises(NotFound):
        take_signal(pool_id=pool.pk, request=parse(BUY), key=holder(beta))


def test_the_source_trader_is_one_of_the_pool(pool, alpha):
    trader = pool.places.get().trader_id
    named = parse(BUY | {"source_trader_id": str(trader)})
    assert (
        Signal.objects.get(pk=take_signal(pool_id=pool.pk, request=named, key=holder(alpha)).signal_id).trader_id
        == trader
    )

    with pytest.raises(SignalInvalid) as refusal:
        take_signal(pool_id=pool.pk, request=parse(BUY | {"source_trader_id": str(uuid4())}), key=holder(alpha))

    assert refusal.value.code == "trader_unknown"


def test_a_pool_without_traders_trades_by_signals_alone(alpha, still):
    bare = Pool.objects.create(kind="partner", name="Bare", status="active", created_at=still())

    taken = take_signal(pool_id=bare.pk, request=parse(BUY), key=holder(alpha))

    assert Signal.objects.get(pk=taken.signal_id).trader_id == NOBODY


def test_a_symbol_is_unknown_only_where_the_rules_are_known(pool, alpha, redis_db):
    take_signal(pool_id=pool.pk, request=parse(BUY | {"symbol": "NOSUCH"}), key=holder(alpha))
    redis_db.hset(cache.rules_key("live", "binance", "spot"), "ETHUSDT", b"{}")

    with pytest.raises(SignalInvalid) as refusal:
        take_signal(pool_id=pool.pk, request=parse(BUY | {"symbol": "NOSUCH"}), key=holder(alpha))

    assert (refusal.value.code, refusal.value.http_status) == ("symbol_unknown", 400)
    # Of the paper venue nothing is known yet, nor of futures.
    take_signal(pool_id=pool.pk, request=parse(BUY), key=holder(alpha, environment="test"))
    take_signal(pool_id=pool.pk, request=parse(BUY | {"platform": "futures"}), key=holder(alpha))


def test_what_nobody_acts_on_yet_is_kept(pool, alpha):
    request = parse(
        BUY
        | {
            "margin_mode": "cross",
            "external_trader_ref": "ada",
            "metadata": {"strategy": "tide", "score": D("0.10"), "tags": ["a"]},
        }
    )
    taken = take_signal(pool_id=pool.pk, request=request, key=holder(alpha))

    assert Signal.objects.get(pk=taken.signal_id).metadata == {
        "margin_mode": "cross",
        "external_trader_ref": "ada",
        "execute_immediately": True,
        "metadata": {"strategy": "tide", "score": "0.1", "tags": ["a"]},
    }


def test_exits_and_leverage_are_the_signals_own(pool, alpha):
    request = parse(
        BUY | {"platform": "futures", "stop_loss_pct": D("1.5000"), "take_profit_pct": "3.0001", "leverage": 5}
    )
    taken = take_signal(pool_id=pool.pk, request=request, key=holder(alpha))

    signal = Signal.objects.get(pk=taken.signal_id)
    assert (signal.stop_loss_pct, signal.take_profit_pct, signal.lead_leverage) == (D("1.5"), D("3.0001"), 5)
    assert bytes(signal.leaf) == leaf("signal", signal_leaf(signal))


def test_a_lead_by_signals_alone_has_the_capital_it_is_measured_by(pool, alpha):
    tide = Trader.objects.create(name="Tide", reference_capital_usd=D("50000.25"), created_at=pool.created_at)
    PoolTrader.objects.create(pool=pool, trader=tide, weight=D("0.25"))
    watched = PoolTrader.objects.get(pool=pool, weight=D("0.5")).trader
    watched.reference_capital_usd = D(7)
    watched.save(update_fields=["reference_capital_usd"])

    first, second = (
        take_signal(pool_id=pool.pk, request=parse(BUY | {"source_trader_id": str(one.pk)}), key=holder(alpha))
        for one in (tide, watched)
    )

    assert Signal.objects.get(pk=first.signal_id).lead_equity == D("50000.25")
    # This one trades on an account that is watched: what it has is known from there, with its own trades.
    assert Signal.objects.get(pk=second.signal_id).lead_equity is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"symbol": "btcusdt"}, "symbol"),
        ({"symbol": "BTC-USDT"}, "symbol"),
        ({"symbol": None}, "symbol"),
        ({"symbol": "BTC/USDT\n"}, "symbol"),
        ({"side": "BUY"}, "side"),
        ({"side": None}, "side"),
        ({"quantity": None}, "quantity"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"quantity": "Infinity"}, "quantity"),
        ({"quantity": "1e30"}, "quantity"),
        ({"quantity": "0.0000000000000000001"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": [1]}, "quantity"),
        ({"quantity": "1" * 65}, "quantity"),
        ({"order_type": "stop"}, "order_type"),
        ({"order_type": "limit"}, "price"),
        ({"order_type": "limit", "price": 0}, "price"),
        ({"exchange": "mtgox"}, "exchange"),
        ({"platform": "margin"}, "platform"),
        ({"leverage": 0}, "leverage"),
        ({"leverage": 126}, "leverage"),
        ({"leverage": "1.5"}, "leverage"),
        ({"margin_mode": "both"}, "margin_mode"),
        ({"stop_loss_pct": 101}, "stop_loss_pct"),
        ({"stop_loss_pct": "1.50001"}, "stop_loss_pct"),
        ({"take_profit_pct": "0.00001"}, "take_profit_pct"),
        ({"priority": "urgent"}, "priority"),
        ({"priority": 0}, "priority"),
        ({"execute_immediately": "yes"}, "execute_immediately"),
        ({"external_trade_id": ""}, "external_trade_id"),
        ({"external_trade_id": "x" * 101}, "external_trade_id"),
        ({"external_trade_id": "a b"}, "external_trade_id"),
        ({"external_trade_id": 7}, "external_trade_id"),
        ({"source_trader_id": "ada"}, "source_trader_id"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"x": "y" * 5000}}, "metadata"),
        ({"metadata": {"x": "\0"}}, "metadata"),
        ({"metadata": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}}, "metadata"),
        ({"stoploss": 1}, "stoploss"),
    ],
)
def test_what_is_wrong_is_named(change, field):
    with pytest.raises(SignalInvalid) as refusal:
        parse(BUY | change)

    assert refusal.value.code == "signal_invalid"
    assert list(refusal.value.details) == [field]


def test_a_signal_is_an_object():
    with pytest.raises(SignalInvalid):
        parse([BUY])


def test_each_of_many_is_taken_or_refused_for_itself(pool, alpha):
    asked = [
        parse(BUY | {"external_trade_id": "a"}),
        SignalInvalid(details={"side": "must be buy or sell"}),
        parse(BUY | {"external_trade_id": "a"}),
        parse(BUY | {"external_trade_id": "a", "quantity": 2}),
        parse(BUY | {"external_trade_id": "b", "side": "sell"}),
    ]

    answers = take_signals(pool_id=pool.pk, requests=asked, key=holder(alpha))

    assert [one.code if isinstance(one, Problem) else one.repeated for one in answers] == [
        False,
        "signal_invalid",
        True,
        "idempotency_conflict",
        False,
    ]
    assert list(Signal.objects.order_by("seq").values_list("external_id", "effect")) == [
        ("api:a", "open"),
        ("api:b", "close"),
    ]


def test_with_fail_fast_nothing_is_taken_from_the_first_problem_on(pool, alpha):
    asked = [parse(BUY | {"external_trade_id": "a"}), SignalInvalid(), parse(BUY | {"external_trade_id": "b"})]

    answers = take_signals(pool_id=pool.pk, requests=asked, key=holder(alpha), fail_fast=True)

    assert len(answers) == 2
    assert list(Signal.objects.values_list("external_id", flat=True)) == ["api:a"]


def test_a_thousand_at_once(pool, alpha):
    asked = [parse(BUY | {"external_trade_id": f"n{n}"}) for n in range(1000)]

    answers = take_signals(pool_id=pool.pk, requests=asked, key=holder(alpha))

    assert not any(isinstance(one, Problem) or one.repeated for one in answers)
    assert list(Signal.objects.order_by("seq").values_list("external_id", flat=True)) == [
        f"api:n{n}" for n in range(1000)
    ]
    assert Nudge.objects.count() == 4
