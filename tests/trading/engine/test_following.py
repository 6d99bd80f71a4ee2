"""Begin with what is open, close one's own, catch up, and leave: through the real vault at a real venue."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest

from obscura.core import clock, redis_clients
from obscura.core.audit.models import Entry
from pools import services as pools
from pools.models import PoolTrader, Subscription
from pools.types import Advanced, FixedAmount
from tests.trading.engine.stand import RULES
from trading import services as trading
from trading.domain.order_state import Status
from trading.execution import reconcile
from trading.following import CLOSED_BY_OWNER
from trading.market import cache
from trading.models import Denial, Holding, LeadPosition, Order, Signal
from trading.rehearsal import DUST

ACTOR = "test"


@pytest.fixture
def ada(stand):
    """``ada("BTCUSDT", "0.5")``: what she holds on spot, as her signals add up."""
    PoolTrader.objects.create(pool=stand.pool, trader=stand.trader)
    rules = RULES["spot"] | {"step": "0.0001", "min_qty": "0.0001", "max_qty": "9000", "market_max_qty": "120"}
    where = cache.rules_key("paper", "binance", "spot"), "ETHUSDT"
    redis_clients.sync().hset(*where, orjson.dumps(rules | {"base": "ETH", "quote": "USDT"}))
    cache.forget()

    def holds(symbol: str, qty: str) -> None:
        LeadPosition.objects.update_or_create(
            pool_id=stand.pool.pk, trader_id=stand.trader.pk, market="spot", symbol=symbol,
            defaults={"qty": Decimal(qty), "updated_at": clock.now()},
        )  # fmt: skip

    return holds


def mine(subscription: Subscription) -> dict[str, object]:
    return {"subscription_id": subscription.pk, "user_id": subscription.user_id}


def asks(subscription: Subscription) -> dict[str, object]:
    return {**mine(subscription), "actor": ACTOR}


def preview(stand, subscription: Subscription, style: Advanced = Advanced()) -> list[trading.Position]:  # noqa: B008
    return trading.start_preview(
        pool_id=stand.pool.pk, user_id=subscription.user_id, account_id=subscription.account_id,
        terms=FixedAmount(Decimal(1000), Decimal(200)), style=style,
    )  # fmt: skip


# Begin


def test_what_is_open_is_copied_as_the_preview_said(stand, ada):
    ben = stand.follower("ben")
    ada("BTCUSDT", "0.5")
    ada("ETHUSDT", "4")
    said = {line.symbol: line for line in preview(stand, ben)}

    begun = trading.copy_open(**asks(ben))
    stand.plan()

    # A slot of $100 at the worst price that may be paid, 50 basis points above the present one.
    assert (said["BTCUSDT"].would, said["BTCUSDT"].cost) == (Decimal("0.00165"), Decimal("99.495"))
    assert trading.estimated(list(said.values())) == Decimal("99.495") + said["ETHUSDT"].cost
    assert begun == 2
    orders = {order.symbol: order for order in Order.objects.filter(subscription_id=ben.pk)}
    assert {symbol: (one.status, one.qty) for symbol, one in orders.items()} == {
        symbol: (Status.FILLED, line.would) for symbol, line in said.items()
    }
    assert Entry.objects.get(action="trading.copies.begun").facts == {"opens": 2}


def test_what_is_open_is_copied_once_however_often_it_is_asked(stand, ada):
    ben, cleo = stand.follower("ben"), stand.follower("cleo")
    ada("BTCUSDT", "0.5")

    begun = [trading.copy_open(**asks(ben)) for _ in range(3)]
    stand.plan()
    begun.append(trading.copy_open(**asks(ben)))
    stand.plan()

    assert begun == [1, 0, 0, 0]
    assert list(stand.executed(ben).values()) == [1]
    assert stand.executed(cleo) == {}
    assert Denial.objects.count() == 0


def test_a_preview_says_what_cannot_be_copied_and_writes_nothing(stand, ada):
    ben = stand.follower("ben")
    for symbol, qty in (("BTCUSDT", "0.5"), ("DOGEUSDT", "9000"), ("ETHUSDT", "0.001")):
        ada(symbol, qty)

    lines = {line.symbol: (line.possible, line.reason) for line in preview(stand, ben)}

    assert lines == {
        "BTCUSDT": (True, ""),
        "DOGEUSDT": (False, "The exchange's rules for this symbol are not known"),
        "ETHUSDT": (False, DUST),
    }
    assert Signal.objects.count() == 0


def test_limits_are_counted_down_over_a_preview(stand, ada):
    ben = stand.follower("ben")
    ada("BTCUSDT", "0.5")
    ada("ETHUSDT", "4")

    one_pair = preview(stand, ben, Advanced(max_positions=1))
    little = preview(stand, ben, Advanced(max_exposure_usd=Decimal(110)))

    assert [line.reason for line in one_pair] == ["", "As many pairs are open as you allow: 1"]
    assert little[1].cost < Decimal("10.505")
    assert little[0].cost + little[1].cost <= 110


def test_a_subscription_and_its_first_copies_begin_together(stand, ada):
    ben = stand.follower("ben")
    account = ben.account
    ben.delete()
    ada("BTCUSDT", "0.5")
    stand.prices_told()  # the terms of this one have a price band

    made = trading.follow(
        user_id=account.owner_id, pool_id=stand.pool.pk, account_id=account.pk, open_now=True, actor=ACTOR,
        terms=FixedAmount(Decimal(1000), Decimal(200)),
    )  # fmt: skip
    stand.plan()

    order = Order.objects.get(subscription_id=made.id)
    assert (order.status, order.error) == (Status.FILLED, "")


def test_a_refused_subscription_begins_nothing(stand, ada):
    ben = stand.follower("ben")
    ada("BTCUSDT", "0.5")

    with pytest.raises(pools.AlreadyFollowing):
        trading.follow(
            user_id=ben.user_id, pool_id=stand.pool.pk, account_id=ben.account_id, open_now=True, actor=ACTOR,
            terms=FixedAmount(Decimal(1000), Decimal(200)),
        )  # fmt: skip

    assert Signal.objects.count() == 0


# Close one's own, and catch up


def test_what_its_owner_closed_is_opened_again_only_when_he_says_so(stand, ada):
    ben = stand.follower("ben")
    ada("BTCUSDT", "0.5")
    trading.copy_open(**asks(ben))
    stand.plan()

    closed = trading.close_copies(**asks(ben), symbol="BTCUSDT", market="spot")
    stand.plan()
    more = stand.signal("buy")
    stand.plan()

    assert closed == 1
    assert stand.holding(ben).qty == 0
    assert stand.denial(ben, more).reason == "closed_by_owner"
    reconcile.sweep(schema="t_alpha")
    Signal.objects.update(state="done")
    [line] = trading.resync_preview(**mine(ben))
    assert (line.step, line.asks, line.possible, line.reason) == ("open", True, True, CLOSED_BY_OWNER)
    assert trading.resync(**asks(ben)) == 0
    assert trading.resync(**asks(ben), reopen=[line.key]) == 1
    stand.plan()
    holding = stand.holding(ben)
    assert (holding.qty > 0, holding.closed_by_owner) == (True, False)


def test_a_close_is_asked_for_once(stand, ada):
    ben = stand.follower("ben")
    ada("BTCUSDT", "0.5")
    trading.copy_open(**asks(ben))
    stand.plan()

    assert [trading.close_copies(**asks(ben)) for _ in range(3)] == [1, 0, 0]
    stand.plan()

    assert trading.close_copies(**asks(ben)) == 0
    assert sorted(stand.executed(ben).values()) == [1, 1]


def test_catching_up_closes_what_the_lead_left_and_opens_what_is_missing(stand, ada):
    ben, cleo = stand.follower("ben"), stand.follower("cleo")
    stand.signal("buy")
    stand.plan()
    ada("ETHUSDT", "4")
    Signal.objects.update(state="done")

    said = {line.symbol: line for line in trading.resync_preview(**mine(ben))}
    begun = trading.resync(**asks(ben))
    stand.plan()

    assert {symbol: line.step for symbol, line in said.items()} == {"BTCUSDT": "close", "ETHUSDT": "open"}
    assert said["BTCUSDT"].would == stand.holding(cleo, "BTCUSDT").qty
    assert begun == 2
    assert (stand.holding(ben, "BTCUSDT").qty, stand.holding(ben, "BTCUSDT").closed_by_owner) == (0, False)
    assert stand.holding(ben, "ETHUSDT").qty > 0
    assert not Holding.objects.filter(subscription_id=cleo.pk, symbol="ETHUSDT").exists()


def test_only_what_is_chosen_is_brought_in_line(stand, ada):
    ben = stand.follower("ben")
    ada("BTCUSDT", "0.5")
    ada("ETHUSDT", "4")
    lines = {line.symbol: line.key for line in trading.resync_preview(**mine(ben))}

    assert trading.resync(**asks(ben), only=[lines["ETHUSDT"]]) == 1
    stand.plan()

    assert [order.symbol for order in Order.objects.filter(subscription_id=ben.pk)] == ["ETHUSDT"]


def test_nothing_is_opened_twice_while_it_is_on_its_way(stand, ada):
    ben = stand.follower("ben")
    ada("BTCUSDT", "0.5")

    assert [trading.resync(**asks(ben)) for _ in range(3)] == [1, 0, 0]
    [line] = trading.resync_preview(**mine(ben))
    assert line.step == "wait"
    stand.plan()

    assert list(stand.executed(ben).values()) == [1]


def test_a_paused_subscription_is_told_that_it_would_open_nothing(stand, ada):
    ben = stand.follower("ben", status="paused")
    ada("BTCUSDT", "0.5")

    [line] = trading.resync_preview(**mine(ben))

    assert (line.possible, line.reason) == (False, "Your subscription is paused")
    assert trading.resync(**asks(ben)) == 0


# Leave


def test_leaving_with_close_now_closes_everything_and_ends(stand, ada):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.signal("buy", symbol="ETHUSDT", price="3000")
    stand.plan()

    stopped = trading.unfollow(**asks(ben), close="now")
    stand.plan()
    reconcile.sweep(schema="t_alpha")

    assert stopped.status == "closing"
    ben.refresh_from_db()
    assert (ben.status, ben.exposure, ben.reserved) == ("ended", 0, 0)
    assert sorted(stand.executed(ben).values()) == [1, 1, 1, 1]


def test_leaving_with_the_lead_closes_with_the_lead(stand, ada):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()

    assert trading.unfollow(**asks(ben), close="follow").status == "closing"
    assert stand.holding(ben).qty > 0
    stand.signal("sell", effect="close")
    stand.plan()
    reconcile.sweep(schema="t_alpha")

    ben.refresh_from_db()
    assert ben.status == "ended"


def test_what_is_left_alone_is_never_touched_again(stand, ada):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    held = stand.holding(ben)

    left = trading.unfollow(**asks(ben), close="leave")
    closed = stand.signal("sell", effect="close")
    stand.plan()

    assert (left.status, left.invested) == ("ended", 0)
    after = stand.holding(ben)
    assert (after.qty, after.cost, after.left_qty, after.left_cost) == (0, 0, held.qty, held.cost)
    assert after.left_at is not None
    assert not Order.objects.filter(signal_id=closed.pk).exists()
    assert list(stand.executed(ben).values()) == [1]
    assert trading.open_holdings_of([ben.pk]) == []


def test_another_way_may_be_chosen_while_something_is_open(stand, ada):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()

    states = [trading.unfollow(**asks(ben), close=way).status for way in ("follow", "leave", "now")]

    assert states == ["closing", "ended", "ended"]
    assert list(stand.executed(ben).values()) == [1]


def test_nobody_leaves_while_the_fate_of_an_order_is_open(stand, ada):
    ben = stand.follower("ben")
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    stand.signal("buy")
    stand.plan()

    with pytest.raises(pools.OrdersUnderWay):
        trading.unfollow(**asks(ben), close="leave")

    ben.refresh_from_db()
    assert (ben.status, stand.holding(ben).left_at) == ("active", None)


def test_nobody_acts_for_another(stand, ada):
    ben, cleo = stand.follower("ben"), stand.follower("cleo")
    ada("BTCUSDT", "0.5")
    stranger = {"subscription_id": ben.pk, "user_id": cleo.user_id}

    for act in (
        lambda: trading.resync_preview(**stranger),
        lambda: trading.resync(**stranger, actor=ACTOR),
        lambda: trading.copy_open(**stranger, actor=ACTOR),
        lambda: trading.close_copies(**stranger, actor=ACTOR),
        lambda: trading.unfollow(**stranger, close="now", actor=ACTOR),
        lambda: trading.unfollow(**stranger, close="leave", actor=ACTOR),
    ):
        with pytest.raises(pools.SubscriptionUnknown):
            act()
    assert Signal.objects.count() == 0
    ben.refresh_from_db()
    assert ben.status == "active"
    with pytest.raises(trading.WayUnknown):
        trading.unfollow(**asks(ben), close="later")
