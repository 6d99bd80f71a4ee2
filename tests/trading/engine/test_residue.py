"""What is too small for the venue is carried: it goes with the next trade in the pair, and ends with the lead's."""

from __future__ import annotations

import threading
from decimal import Decimal

import orjson
import pytest

from obscura.core import redis_clients
from tests.trading.engine.stand import RULES
from trading.domain.order_state import Status
from trading.execution import reconcile
from trading.market import cache
from trading.models import Order

D = Decimal


def least(market: str, symbol: str, notional: str) -> None:
    """The venue takes nothing below this notional."""
    rules = RULES[market] | {"max_qty": "9000", "market_max_qty": "120", "base": symbol[:3], "quote": "USDT"}
    rules["min_notional"] = notional
    redis_clients.sync().hset(cache.rules_key("paper", "binance", market), symbol, orjson.dumps(rules))
    cache.forget()


def carried(stand, subscription, symbol: str = "BTCUSDT") -> tuple[Decimal, Decimal]:
    """What is carried of opens and of closes."""
    holding = stand.holding(subscription, symbol)
    return holding.carry_open, holding.carry_close


def planned(stand, *args, **fields):
    signal = stand.signal(*args, **fields)
    stand.plan()
    return signal


def test_three_opens_of_four_dollars_become_one_of_twelve(stand):
    least("spot", "BTCUSDT", "10")
    ben = stand.follower("ben", invest="40", lose="40")

    first, second, third = (planned(stand, "buy") for _ in range(3))

    # $4 at the worst price of 60,300 are 0.0000663… bitcoin; three of them are worth $11.46 on the venue's step.
    assert [stand.denial(ben, one).reason for one in (first, second)] == ["below_min_notional"] * 2
    order = stand.order(ben, third)
    assert (order.status, order.qty, order.reserved) == (Status.FILLED, D("0.00019"), D("11.457"))
    assert carried(stand, ben) == (0, 0)
    ben.refresh_from_db()
    assert ben.reserved == 0
    assert ben.exposure == order.filled * order.average


def test_what_is_carried_is_exact_and_grows_with_each_open(stand):
    least("spot", "BTCUSDT", "10")
    ben = stand.follower("ben", invest="40", lose="40")

    planned(stand, "buy")
    assert carried(stand, ben) == (D("0.000066334991708126"), 0)
    planned(stand, "buy")
    assert carried(stand, ben) == (D("0.000132669983416252"), 0)

    assert stand.executed(ben) == {}
    ben.refresh_from_db()
    assert (ben.reserved, ben.exposure) == (0, 0)


def test_the_leads_exit_forgets_what_was_carried_and_a_part_of_it_the_same_part(stand):
    least("spot", "BTCUSDT", "10")
    ben, cleo = stand.follower("ben", invest="40", lose="40"), stand.follower("cleo", invest="1000")
    planned(stand, "buy")
    planned(stand, "buy")

    half = planned(stand, "sell", effect="close", fraction="0.5")
    assert stand.denial(ben, half).reason == "nothing_to_close"
    assert carried(stand, ben) == (D("0.000066334991708126"), 0)
    assert carried(stand, cleo) == (0, 0)
    planned(stand, "sell", effect="close", fraction="1")
    assert carried(stand, ben) == (0, 0)

    again = planned(stand, "buy")
    assert stand.denial(ben, again).reason == "below_min_notional"
    assert carried(stand, ben) == (D("0.000066334991708126"), 0)
    assert stand.executed(ben) == {}


def test_an_exit_that_is_itself_too_small_forgets_as_well(stand):
    ben = stand.follower("ben", invest="60", lose="60")
    planned(stand, "buy")
    stand.price("BTCUSDT", "40000")  # what was bought for $5.4 is worth less than the venue takes
    least("spot", "BTCUSDT", "10")
    planned(stand, "buy", price="40000")
    assert stand.holding(ben).qty == D("0.00009") * D("0.999")
    assert carried(stand, ben)[0] == D("0.000149253731343283")  # $6 at 40,200

    gone = planned(stand, "sell", effect="close", price="40000")

    assert stand.denial(ben, gone).reason == "below_min_notional"
    assert carried(stand, ben) == (0, 0)


def test_what_is_carried_never_buys_beyond_the_budget(stand):
    least("spot", "BTCUSDT", "10")
    ben = stand.follower("ben", invest="120", lose="9.5")
    for _ in range(2):
        planned(stand, "buy")
    assert carried(stand, ben)[0] == D("0.000157545605306799")  # the second is cut to the $9.50 that may be lost

    ben.max_loss = D("11")
    ben.save(update_fields=["max_loss"])
    order = stand.order(ben, planned(stand, "buy"))

    assert (order.qty, order.reserved) == (D("0.00018"), D("10.854"))  # of $11, not of $20.50


def test_partial_closes_that_are_too_small_are_carried_to_the_next(stand):
    ben = stand.follower("ben")
    planned(stand, "buy")
    assert stand.holding(ben).qty == D("0.00164835")

    small = planned(stand, "sell", effect="close", fraction="0.04")
    assert stand.denial(ben, small).reason == "below_min_notional"
    assert carried(stand, ben) == (0, D("0.000065934"))
    enough = planned(stand, "sell", effect="close", fraction="0.04")

    # A twenty-fifth of the rest, and what was carried: 0.00012923… bitcoin.
    assert stand.order(ben, enough).qty == D("0.00012")
    assert carried(stand, ben) == (0, 0)
    assert stand.holding(ben).qty == D("0.00152835")


def test_the_final_close_takes_all_whatever_is_carried(stand):
    ben = stand.follower("ben")
    planned(stand, "buy")
    planned(stand, "sell", effect="close", fraction="0.04")

    last = planned(stand, "sell", effect="close", fraction="1")

    assert stand.order(ben, last).qty == D("0.00164")
    holding = stand.holding(ben)
    assert (holding.qty, holding.cost, holding.carry_open, holding.carry_close) == (0, 0, 0, 0)


@pytest.mark.parametrize(("side", "back"), [("buy", "sell"), ("sell", "buy")])
def test_on_futures_both_directions_carry_opens_and_closes(stand, side, back):
    ether = {"market": "usdm", "symbol": "ETHUSDT", "price": "3000"}
    ben = stand.follower("ben", invest="400", lose="400")

    first, second, third = (planned(stand, side, **ether) for _ in range(3))

    # $40 at the worst price of 3,015 are 0.01326… ether; the venue takes $100 at least.
    assert [stand.denial(ben, one).reason for one in (first, second)] == ["below_min_notional"] * 2
    order = stand.order(ben, third)
    assert (order.status, order.qty, order.reserved) == (Status.FILLED, D("0.039"), D("117.585"))
    assert carried(stand, ben, "ETHUSDT") == (0, 0)

    # A reduce-only order has no least notional, but a least quantity of 0.001: a fiftieth of 0.039 is less.
    small = planned(stand, back, effect="close", fraction="0.02", **ether)
    assert stand.denial(ben, small).reason == "below_min_qty"
    assert carried(stand, ben, "ETHUSDT") == (0, D("0.00078"))
    enough = planned(stand, back, effect="close", fraction="0.02", **ether)
    assert stand.order(ben, enough).qty == D("0.001")  # 0.0015444
    assert carried(stand, ben, "ETHUSDT") == (0, 0)
    last = planned(stand, back, effect="close", fraction="1", **ether)

    assert stand.order(ben, last).qty == D("0.038")
    assert stand.holding(ben, "ETHUSDT").qty == 0


@pytest.fixture
def short_times(settings, monkeypatch):
    """As in the stories of silence: leases pass while one waits."""
    settings.COPY_RECV_WINDOW_MS, settings.COPY_HTTP_TIMEOUT_MS, settings.COPY_LEASE_MS = 600, 500, 900
    monkeypatch.setattr("trading.execution.limits.LONGEST_S", 1)


def settled(order: Order) -> Order:
    for _ in range(400):
        reconcile.sweep(schema="t_alpha")
        order.refresh_from_db()
        if order.status == Status.FILLED:
            return order
        threading.Event().wait(0.02)
    raise AssertionError(order.status)


def test_a_close_that_waited_takes_along_what_is_carried(stand, short_times):
    from trading.execution.execute import execute

    ben = stand.follower("ben")
    planned(stand, "buy")
    planned(stand, "sell", effect="close", fraction="0.04")
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    opened = planned(stand, "buy")
    small = planned(stand, "sell", effect="close", fraction="0.001")
    enough = planned(stand, "sell", effect="close", fraction="0.04")
    assert (stand.order(ben, small).waits, stand.order(ben, enough).waits) == (True, True)
    assert carried(stand, ben) == (0, D("0.000065934"))

    settled(stand.order(ben, opened))
    held = stand.holding(ben).qty
    assert held == D("0.0032967")
    execute(schema="t_alpha", signal_id=small.pk, first=ben.pk, last=ben.pk)

    # 0.0000659… and a thousandth of the rest: 0.00006 bitcoin are worth less than the venue takes.
    missed = stand.order(ben, small)
    assert (missed.status, missed.error_code) == (Status.MISSED, "below_min_notional")
    assert missed.error == "Below the venue's minimum of $5"
    assert carried(stand, ben) == (0, D("0.000069164766"))
    execute(schema="t_alpha", signal_id=enough.pk, first=ben.pk, last=ben.pk)

    assert stand.order(ben, enough).qty == D("0.00019")  # 0.000198266…
    assert carried(stand, ben) == (0, 0)
    assert stand.holding(ben).qty == held - D("0.00019")
