"""Protection that acts: limits, exits of single copies, and closes that happen once. Real vault, real venue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest

from obscura.core import clock, redis_clients
from pools.models import Subscription
from trading import services as trading
from trading.domain import priorities
from trading.domain.order_state import Status
from trading.execution import reconcile
from trading.guard.memory import Memory
from trading.guard.round import Counts, look
from trading.market import cache
from trading.models import Denial, Holding, Notice, Order, Signal

D = Decimal
DAY = timedelta(days=1)


class Guarded:
    """The stand with a guard beside it."""

    def __init__(self, stand) -> None:
        self.stand, self.memory = stand, Memory()

    def look(self, *, after: timedelta = timedelta()) -> Counts:
        """One look, as of now or some time after; then whatever it began is planned and placed."""
        self.stand.tenant.refresh_from_db()
        counts = look(tenant=self.stand.tenant, memory=self.memory, now=clock.now() + after)
        self.stand.plan()
        return counts

    def moves(self, symbol: str, price: str, *, market: str = "spot", after: timedelta = timedelta()) -> None:
        """The market moves: at the venue, and in what we know of it."""
        self.stand.venue.price(symbol, price)
        self.stand.price(symbol, price, market=market, age_s=-after.total_seconds())


@pytest.fixture
def guarded(stand) -> Guarded:
    """The exchange sells ether in ten-thousandths."""
    key = cache.rules_key("paper", "binance", "spot")
    rules = orjson.loads(redis_clients.sync().hget(key, "ETHUSDT"))
    redis_clients.sync().hset(key, "ETHUSDT", orjson.dumps(rules | {"step": "0.0001", "min_qty": "0.0001"}))
    return Guarded(stand)


def opened(stand, name: str = "ben", *, side: str = "buy", market: str = "spot", **terms) -> Subscription:
    """A follower who holds what Ada just opened; a smaller `max_loss` is his from then on."""
    most = terms.pop("max_loss", None)
    follower = stand.follower(name, **terms)
    stand.signal(side, market=market)
    stand.plan()
    if most is not None:
        Subscription.objects.filter(pk=follower.pk).update(max_loss=most)
    return follower


def closes(subscription: Subscription) -> list[Order]:
    return list(Order.objects.filter(subscription_id=subscription.pk, effect="close").order_by("id"))


def told(subscription: Subscription) -> list[tuple[str, str]]:
    rows = Notice.objects.filter(subscription_id=subscription.pk).order_by("id")
    return [(row.code, row.words) for row in rows]


# ------------------------------------------------------------------------------------------- limits of a subscription


def test_a_loss_budget_that_is_used_up_pauses_and_closes(stand, guarded):
    # Ben holds 0.00164835 bitcoin for 99 dollars; 20 dollars are lost at 47,926.
    ben = opened(stand, max_loss=D(20))
    guarded.moves("BTCUSDT", "47930")
    assert guarded.look().closes == 0

    guarded.moves("BTCUSDT", "47920")
    counts = guarded.look()

    assert (counts.closes, counts.stopped, counts.told) == (1, 1, 1)
    ben.refresh_from_db()
    words = "What you were ready to lose, $20.00, is used up. Everything open is being closed."
    assert (ben.status, ben.stopped_by, ben.reason) == ("paused", "loss_limit", words)
    assert told(ben) == [("limit", words)]
    (close,) = closes(ben)
    assert (close.status, close.qty, close.priority) == (Status.FILLED, D("0.00164"), priorities.CRITICAL)
    assert stand.executed(ben)[close.client_id] == 1
    assert stand.holding(ben).qty == 0
    assert D("-20.49") < ben.realised < D("-20.48")  # with fees, a little more than the budget


def test_what_is_closed_already_is_not_closed_twice_however_often_it_is_looked_at(stand, guarded):
    ben = opened(stand, max_loss=D(20))
    guarded.moves("BTCUSDT", "47000")
    stand.tenant.refresh_from_db()

    for _ in range(3):
        look(tenant=stand.tenant, memory=Memory(), now=clock.now())
    stand.plan()
    for _ in range(3):
        guarded.look()

    assert [order.status for order in closes(ben)] == [Status.FILLED]
    assert len(told(ben)) == 1
    assert Signal.objects.filter(only_for=ben.pk).count() == 1


def test_a_guard_that_is_killed_between_record_and_plan_closes_once(stand, guarded, monkeypatch):
    ben = opened(stand, max_loss=D(20))
    guarded.moves("BTCUSDT", "47000")
    monkeypatch.setattr("trading.guard.notices.tell", _killed)
    with pytest.raises(KeyboardInterrupt):
        look(tenant=stand.tenant, memory=guarded.memory, now=clock.now())
    ben.refresh_from_db()
    assert (ben.status, Signal.objects.filter(only_for=ben.pk).count()) == ("active", 0)

    monkeypatch.undo()
    look(tenant=stand.tenant, memory=Memory(), now=clock.now())  # recorded, and killed before anybody plans
    guarded.memory = Memory()
    guarded.look()

    assert [order.status for order in closes(ben)] == [Status.FILLED]
    assert sorted(stand.executed(ben).values()) == [1, 1]


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_keep_open_pauses_and_leaves_what_is_open(stand, guarded):
    ben = opened(stand, max_loss=D(20), settings={"keep_open": True})
    guarded.moves("BTCUSDT", "47000")

    guarded.look()
    guarded.look()

    ben.refresh_from_db()
    assert (ben.status, ben.stopped_by) == ("paused", "loss_limit")
    assert ben.reason == "What you were ready to lose, $20.00, is used up. What is open stays open, as you chose."
    assert (closes(ben), stand.holding(ben).qty) == ([], D("0.00164835"))


def test_a_daily_loss_ends_with_its_day_and_copying_goes_on_by_itself(stand, guarded):
    ben = opened(stand, daily_loss_limit=D(10))
    guarded.moves("BTCUSDT", "53000")
    guarded.look()
    ben.refresh_from_db()
    assert (ben.status, ben.stopped_by, stand.holding(ben).qty) == ("paused", "daily_loss", 0)
    denied = stand.signal("buy", price="53000")
    guarded.look()
    assert stand.denial(ben, denied).reason == "subscription_paused"

    tomorrow = datetime.combine((clock.now() + DAY).date(), datetime.min.time(), UTC) - clock.now()
    assert guarded.look(after=tomorrow - timedelta(minutes=1)).resumed == 0
    assert guarded.look(after=tomorrow + timedelta(minutes=1)).resumed == 1

    ben.refresh_from_db()
    assert (ben.status, ben.reason, ben.stopped_by) == ("active", "", "")
    assert told(ben)[-1] == ("resumed", "The day of your daily loss is over; copying goes on.")


def test_an_owner_who_pauses_meanwhile_is_not_resumed_by_the_new_day(stand, guarded):
    from pools import services as pools

    ben = opened(stand, daily_loss_limit=D(10))
    guarded.moves("BTCUSDT", "53000")
    guarded.look()

    pools.pause_subscription(subscription_id=ben.pk, user_id=ben.user_id, actor="ben")
    assert guarded.look(after=2 * DAY).resumed == 0

    ben.refresh_from_db()
    assert (ben.status, ben.reason, ben.stopped_by) == ("paused", "", "")


def test_a_profit_target_that_is_reached_is_taken(stand, guarded):
    ben = opened(stand, profit_target=D(5))
    guarded.moves("BTCUSDT", "64000")

    guarded.look()

    ben.refresh_from_db()
    assert (ben.status, ben.stopped_by, stand.holding(ben).qty) == ("paused", "profit_target", 0)
    assert D("5.85") < ben.realised < D("5.86")


def test_a_trailing_equity_stop_counts_from_the_highest_result(stand, guarded):
    # Ben has nearly 1,000 dollars in bitcoin, in the pool's one slot, and stops when 50 of them are lost.
    stand.pool.slots = 1
    stand.pool.save()
    ben = opened(stand, lose="1000", settings={"equity_stop_pct": "5", "equity_stop_trailing": True})
    guarded.moves("BTCUSDT", "66000")
    guarded.look()
    ben.refresh_from_db()
    held = stand.holding(ben)
    assert ben.peak == held.qty * 66000 - held.cost

    falls = held.qty * 66000 - 50  # what it is worth when 50 of the peak are lost
    guarded.moves("BTCUSDT", str((falls / held.qty + 1).quantize(D("0.01"))))
    assert guarded.look().stopped == 0
    guarded.moves("BTCUSDT", str((falls / held.qty - 1).quantize(D("0.01"))))
    guarded.look()

    ben.refresh_from_db()
    assert (ben.status, ben.stopped_by, stand.holding(ben).qty) == ("paused", "equity_stop", 0)
    assert ben.realised > 40  # it was ahead, and keeps most of it


def test_the_highest_result_outlives_the_guard(stand, guarded):
    stand.pool.slots = 1
    stand.pool.save()
    ben = opened(stand, lose="1000", settings={"equity_stop_pct": "5", "equity_stop_trailing": True})
    guarded.moves("BTCUSDT", "66000")
    guarded.look()

    guarded.memory = Memory()
    guarded.moves("BTCUSDT", "62000")
    guarded.look()

    ben.refresh_from_db()
    assert ben.stopped_by == "equity_stop"


def test_one_that_its_owner_paused_is_protected_all_the_same(stand, guarded):
    ben = opened(stand, max_loss=D(20))
    Subscription.objects.filter(pk=ben.pk).update(status="paused")
    guarded.moves("BTCUSDT", "47000")

    counts = guarded.look()

    ben.refresh_from_db()
    assert (counts.closes, counts.stopped, counts.told) == (1, 0, 1)
    assert (ben.status, ben.stopped_by, stand.holding(ben).qty) == ("paused", "", 0)


# ---------------------------------------------------------------------------------------------------- exits of a copy


def exits(subscription: Subscription, **percentages: str) -> Holding:
    """Give its holding these exits, as its style would have at its opening."""
    Holding.objects.filter(subscription_id=subscription.pk).update(
        **{name: D(value) for name, value in percentages.items()}
    )
    return Holding.objects.get(subscription_id=subscription.pk)


def test_a_stop_loss_of_the_style_closes_that_copy_alone(stand, guarded):
    ben = stand.follower("ben", settings={"stop_loss_pct": "5"})
    stand.signal("buy")
    stand.signal("buy", symbol="ETHUSDT", price="3000")
    stand.plan()
    entry = stand.holding(ben).cost / stand.holding(ben).qty
    guarded.moves("BTCUSDT", str((entry * D("0.9501")).quantize(D("0.01"))))
    assert guarded.look().closes == 0

    guarded.moves("BTCUSDT", str((entry * D("0.9499")).quantize(D("0.01"))))
    counts = guarded.look()

    assert (counts.closes, counts.stopped) == (1, 0)
    assert [order.symbol for order in closes(ben)] == ["BTCUSDT"]
    assert stand.holding(ben).qty == 0
    assert stand.holding(ben, "ETHUSDT").qty > 0
    assert told(ben) == [("stop_loss", "Your stop loss at 5 % is reached; the copy is being closed.")]
    ben.refresh_from_db()
    assert ben.status == "active"


@pytest.mark.parametrize(
    ("side", "exit_", "holds", "fires"),
    [
        ("buy", {"stop_loss_pct": "5"}, "57100", "56900"),
        ("buy", {"take_profit_pct": "5"}, "62900", "63100"),
        ("sell", {"stop_loss_pct": "5"}, "62900", "63100"),
        ("sell", {"take_profit_pct": "5"}, "57100", "56900"),
    ],
)
def test_stop_loss_and_take_profit_on_a_long_and_a_short(stand, guarded, side, exit_, holds, fires):
    ben = opened(stand, side=side, market="usdm", invest="4000", lose="4000")
    exits(ben, **exit_)
    guarded.moves("BTCUSDT", holds, market="usdm")
    assert guarded.look().closes == 0

    guarded.moves("BTCUSDT", fires, market="usdm")
    assert guarded.look().closes == 1

    (close,) = closes(ben)
    assert (close.side, close.reduce_only, close.status) == (
        "sell" if side == "buy" else "buy",
        True,
        Status.FILLED,
    )
    assert stand.holding(ben).qty == 0


@pytest.mark.parametrize(
    ("side", "best", "holds", "fires"), [("buy", "66000", "63100", "62900"), ("sell", "54000", "56900", "57100")]
)
def test_a_trailing_stop_follows_the_best_price(stand, guarded, side, best, holds, fires):
    # Five per cent of the entry at 60,000 are 3,000.
    ben = opened(stand, side=side, market="usdm", invest="4000", lose="4000")
    exits(ben, trailing_pct="5")
    guarded.moves("BTCUSDT", best, market="usdm")
    guarded.look()
    assert stand.holding(ben).best == D(best)
    guarded.memory = Memory()  # another guard goes on where this one was killed
    guarded.moves("BTCUSDT", holds, market="usdm")
    assert guarded.look().closes == 0

    guarded.moves("BTCUSDT", fires, market="usdm")

    assert guarded.look().closes == 1
    assert stand.holding(ben).qty == 0


def test_after_its_stop_a_copy_waits_for_the_leads_next_entry(stand, guarded):
    ben = opened(stand)
    exits(ben, stop_loss_pct="5")
    guarded.moves("BTCUSDT", "56000")
    guarded.look()

    added = stand.signal("buy", price="56000")
    stand.plan()
    stand.signal("sell", effect="close")
    stand.plan()
    entered = stand.signal("buy", price="56000")
    stand.plan()

    assert stand.denial(ben, added).reason == "closed_by_owner"
    assert stand.order(ben, entered).status == Status.FILLED
    assert stand.holding(ben).stop_loss_pct is None  # an exit of the copy before is none of this one's


def test_a_close_of_the_leads_that_is_under_way_is_waited_for_and_a_price_that_came_back_does_not_undo_the_stop(
    stand, guarded
):
    ben = opened(stand)
    exits(ben, stop_loss_pct="5")
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    half = stand.signal("sell", effect="close", fraction="0.5")
    stand.plan()
    assert stand.order(ben, half).status == Status.UNSURE
    guarded.moves("BTCUSDT", "56000")
    assert guarded.look().closes == 0
    guarded.moves("BTCUSDT", "60000")
    assert guarded.look().closes == 0

    Order.objects.filter(signal_id=half.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    reconcile.sweep(schema="t_alpha")
    assert stand.order(ben, half).status == Status.FILLED
    assert guarded.look().closes == 1

    assert [order.status for order in closes(ben)] == [Status.FILLED, Status.FILLED]
    assert stand.holding(ben).qty == 0


def test_a_close_that_the_venue_refused_is_tried_again_after_a_pause(stand, guarded):
    ben = opened(stand, max_loss=D(20))
    guarded.moves("BTCUSDT", "47000")
    stand.signer.forget([ben.account_id.bytes])
    credential = ben.account.credential
    envelopes, version = credential.envelopes, credential.key_version
    credential.delete()
    guarded.look()
    assert [order.status for order in closes(ben)] == [Status.MISSED]
    Signal.objects.filter(only_for=ben.pk).update(state="done")
    assert guarded.look(after=timedelta(seconds=5)).closes == 0

    type(credential).objects.create(
        account=ben.account, envelopes=envelopes, key_version=version, created_at=clock.now()
    )
    guarded.moves("BTCUSDT", "47000", after=timedelta(seconds=16))
    assert guarded.look(after=timedelta(seconds=16)).closes == 1

    assert [order.status for order in closes(ben)] == [Status.MISSED, Status.FILLED]


# --------------------------------------------------------------------------------------------------- what is not known


def test_without_a_price_nothing_fires_and_it_is_told_once(stand, guarded):
    ben = opened(stand, max_loss=D(20))
    stand.venue.price("BTCUSDT", "40000")
    stand.price("BTCUSDT", "40000", age_s=16)

    first, later, again = guarded.look(), *(guarded.look(after=timedelta(seconds=s)) for s in (16, 17))

    assert (first.blind, first.told, first.closes) == (1, 0, 0)
    assert (later.blind, later.told, later.closes) == (1, 1, 0)
    assert again.told == 0
    (code, words), *rest = told(ben)
    assert (code, rest) == ("no_price", [])
    assert words.startswith("Its price is not known since ")
    assert trading.standing_words([ben.pk])[ben.pk] == [f"BTCUSDT: {words}"]
    assert trading.copies_of(ben.user_id)[0]["outcome"] == "notice"
    guarded.moves("BTCUSDT", "60000")
    guarded.look()
    assert trading.standing_words([ben.pk]) == {}


def test_one_price_that_is_missing_leaves_the_exits_of_other_copies_alone(stand, guarded):
    ben = stand.follower("ben", settings={"stop_loss_pct": "5"})
    stand.signal("buy")
    stand.signal("buy", symbol="ETHUSDT", price="3000")
    stand.plan()
    stand.price("ETHUSDT", "1", age_s=60)
    guarded.moves("BTCUSDT", "56000")

    counts = guarded.look()

    assert (counts.closes, counts.stopped, counts.blind) == (1, 0, 1)
    assert stand.holding(ben, "ETHUSDT").qty > 0


# --------------------------------------------------------------------------------------------------- for one alone


def test_a_targeted_close_never_touches_another_follower(stand, guarded):
    ben = opened(stand, max_loss=D(20))
    cleo = stand.follower("cleo")
    stand.signal("buy")
    stand.plan()
    before = stand.holding(cleo).qty
    guarded.moves("BTCUSDT", "47000")

    guarded.look()

    own = Signal.objects.get(only_for=ben.pk)
    assert (closes(cleo), stand.holding(cleo).qty) == ([], before)
    assert not Denial.objects.filter(signal_id=own.pk).exists()
    assert Order.objects.filter(signal_id=own.pk).values_list("subscription_id", flat=True).get() == ben.pk
    with pytest.raises(Exception, match="no such signal"):
        trading.signal_status(pool_id=stand.pool.pk, signal_id=own.pk)


def test_an_owner_closes_one_copy_or_all_and_only_his_own(stand, guarded):
    from pools.services import SubscriptionUnknown

    ben = stand.follower("ben")
    cleo = stand.follower("cleo")
    stand.signal("buy")
    stand.signal("buy", symbol="ETHUSDT", price="3000")
    stand.plan()
    asked = {"subscription_id": ben.pk, "user_id": ben.user_id, "actor": "ben"}

    with pytest.raises(SubscriptionUnknown):
        trading.close_copies(subscription_id=ben.pk, user_id=cleo.user_id, actor="cleo")
    assert trading.close_copies(**asked, symbol="BTCUSDT", market="spot") == 1
    assert trading.close_copies(**asked, symbol="BTCUSDT", market="spot") == 0
    stand.plan()
    assert (stand.holding(ben).qty, stand.holding(ben).closed_by_owner) == (0, True)
    assert trading.close_copies(**asked) == 1
    stand.plan()

    assert [order.symbol for order in closes(ben)] == ["BTCUSDT", "ETHUSDT"]
    assert {order.priority for order in closes(ben)} == {priorities.HIGH}
    assert closes(cleo) == []
    added = stand.signal("buy")
    stand.plan()
    assert stand.denial(ben, added).reason == "closed_by_owner"
    assert stand.order(cleo, added).status == Status.FILLED


def test_what_the_lead_has_left_already_is_not_kept_from_its_next_entry(stand, guarded):
    ben = opened(stand)
    stand.signer.forget([ben.account_id.bytes])
    credential = ben.account.credential
    envelopes, version = credential.envelopes, credential.key_version
    credential.delete()
    stand.signal("sell", effect="close")
    stand.plan()
    type(credential).objects.create(
        account=ben.account, envelopes=envelopes, key_version=version, created_at=clock.now()
    )
    assert stand.holding(ben).qty > 0

    trading.close_copies(subscription_id=ben.pk, user_id=ben.user_id, actor="ben")
    stand.plan()
    entered = stand.signal("buy")
    stand.plan()

    assert stand.order(ben, entered).status == Status.FILLED
