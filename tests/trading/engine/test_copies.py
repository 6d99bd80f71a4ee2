"""A lead trade becomes one order on every follower's account, through the real vault at a real venue."""

from __future__ import annotations

from decimal import Decimal

from trading.domain.order_state import Status
from trading.execution import reconcile


def test_an_open_is_copied_to_each_follower_within_the_budget(stand):
    ben, cleo = stand.follower("ben", invest="1000"), stand.follower("cleo", invest="5000", lose="5000")
    signal = stand.signal("buy", price="60000")

    stand.plan()

    # A slot is a tenth: 100 USD, cut by the worst price that may be paid (60,300), down to the venue's step.
    order = stand.order(ben, signal)
    assert (order.status, order.qty, order.limit_price) == (Status.FILLED, Decimal("0.00165"), Decimal("60300"))
    assert stand.order(cleo, signal).qty == Decimal("0.00829")
    assert stand.executed(ben) == {order.client_id: 1}
    ben.refresh_from_db()
    assert ben.reserved == 0
    assert ben.exposure == order.filled * order.average <= Decimal("100")
    # The venue keeps a thousandth of what is bought: it is not there to be sold.
    assert stand.holding(ben).qty == Decimal("0.00165") * Decimal("0.999")


def test_a_close_takes_the_same_fraction_and_the_last_one_all(stand):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()

    half = stand.signal("sell", effect="close", fraction="0.5")
    stand.plan()
    rest = stand.signal("sell", effect="close", fraction="1")
    stand.plan()

    assert stand.order(ben, half).qty == Decimal("0.00082")
    assert stand.order(ben, rest).qty == Decimal("0.00082")
    assert stand.order(ben, rest).type == "market"
    holding = stand.holding(ben)
    assert (holding.qty, holding.cost, holding.opening, holding.closing) == (0, 0, 0, 0)
    ben.refresh_from_db()
    assert (ben.exposure, ben.reserved) == (0, 0)
    assert Decimal("-1") < ben.realised < 0  # the spread and the fees


def test_the_same_signal_planned_again_copies_nothing_twice(stand):
    ben = stand.follower("ben")
    signal = stand.signal("buy", external_id="one")
    stand.plan()

    again = stand.signal("buy", external_id="one")
    stand.plan()

    assert again.pk == signal.pk
    assert list(stand.executed(ben).values()) == [1]


def test_each_refusal_says_why_and_leaves_the_venue_alone(stand):
    poor = stand.follower("ben", invest="40", lose="40")
    paused = stand.follower("cleo", status="paused")
    lost = stand.follower("dora", realised=Decimal("-200"))
    won = stand.follower("emil", realised=Decimal("50"), profit_target=Decimal("50"))
    full = stand.follower("fay", exposure=Decimal("1000"))
    signal = stand.signal("buy")

    stand.plan()

    reasons = {s.user.name: stand.denial(s, signal).reason for s in (poor, paused, lost, won, full)}
    assert reasons == {
        "Ben": "below_min_notional",
        "Cleo": "subscription_paused",
        "Dora": "loss_limit",
        "Emil": "profit_target",
        "Fay": "budget_used",
    }
    assert [stand.executed(s) for s in (poor, paused, lost, won, full)] == [{}] * 5


def test_what_is_not_known_denies_an_open(stand):
    ben = stand.follower("ben")
    stand.price("BTCUSDT", "60000", age_s=60)
    stale = stand.signal("buy")
    old = stand.signal("buy", age_s=120)
    far = stand.signal("buy", symbol="ETHUSDT", price="2900")
    unknown = stand.signal("buy", symbol="DOGEUSDT", price="1")

    stand.plan()

    assert [stand.denial(ben, s).reason for s in (stale, old, far, unknown)] == [
        "stale_price",
        "stale_signal",
        "slippage",
        "no_rules",
    ]


def test_a_limit_that_is_reached_lets_closes_through(stand):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    ben.refresh_from_db()
    ben.realised = Decimal("-200")
    ben.status = "paused"
    ben.save(update_fields=["realised", "status"])
    stand.price("BTCUSDT", "60000", age_s=3600)

    signal = stand.signal("sell", effect="close", age_s=3600)
    stand.plan()

    assert stand.order(ben, signal).status == Status.FILLED
    assert stand.holding(ben).qty == 0


def test_a_short_on_futures_is_opened_and_closed_reduce_only(stand):
    ben = stand.follower("ben", invest="4000", lose="4000")
    opened = stand.signal("sell", market="usdm")
    stand.plan()
    closed = stand.signal("buy", effect="close", market="usdm")
    stand.plan()

    assert stand.order(ben, opened).qty == Decimal("0.006")
    order = stand.order(ben, closed)
    assert (order.status, order.reduce_only, order.qty) == (Status.FILLED, True, Decimal("0.006"))
    assert stand.holding(ben).qty == 0


def test_what_the_venue_rejects_is_told_and_the_budget_is_free_again(stand):
    ben = stand.follower("ben", invest="900000", lose="900000")
    signal = stand.signal("buy")

    stand.plan()

    order = stand.order(ben, signal)
    assert (order.status, order.error_code) == (Status.REJECTED, "-2010")
    assert "insufficient balance" in order.error
    ben.refresh_from_db()
    assert (ben.reserved, ben.exposure) == (0, 0)


def test_a_stopped_subscription_ends_when_nothing_of_it_is_open(stand):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    ben.status = "closing"
    ben.save(update_fields=["status"])
    denied = stand.signal("buy", symbol="ETHUSDT", price="3000")
    stand.plan()
    reconcile.sweep(schema="t_alpha")
    ben.refresh_from_db()
    assert (ben.status, stand.denial(ben, denied).reason) == ("closing", "subscription_paused")

    stand.signal("sell", effect="close")
    stand.plan()
    reconcile.sweep(schema="t_alpha")

    ben.refresh_from_db()
    assert ben.status == "ended"


def test_a_paused_pool_denies_opens_and_lets_closes_through(stand):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    stand.pool.status = "paused"
    stand.pool.save(update_fields=["status"])

    opened = stand.signal("buy", symbol="ETHUSDT", price="3000")
    closed = stand.signal("sell", effect="close")
    stand.plan()

    assert stand.denial(ben, opened).reason == "pool_paused"
    assert stand.order(ben, closed).status == Status.FILLED
