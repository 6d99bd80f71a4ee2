"""The limits of the outside, end to end: real venue, signer, egress. What does not fit waits, and nothing is lost."""

from __future__ import annotations

import signal as signals
from dataclasses import replace

import orjson
import pytest

from obscura.core import redis_clients
from obscura.core.nudge.models import Nudge
from tests.citadel.support import PRICES_FROM
from tests.trading.engine.stand import RULES
from tests.trading.engine.test_exactly_once import swept_until
from trading.domain.order_state import Status
from trading.execution import gate, limits, reconcile
from trading.execution.execute import execute
from trading.execution.limits import Place
from trading.market import cache
from trading.models import Order
from trading.venues.quirks import BINANCE_SPOT, BINANCE_USDM, VENUES, Window

DAY = 86_400
HERE = Place("paper", "binance", "spot")


@pytest.fixture(autouse=True)
def short_times(stand, settings, monkeypatch):
    """As in test_exactly_once; what is held back comes back after 300 ms. The venue's own figures are restored."""
    monkeypatch.setattr(limits, "LONGEST_S", 1)
    monkeypatch.setattr(limits, "_lost_until", 0.0)
    monkeypatch.setattr(gate, "LATEST_MS", 300)
    monkeypatch.setattr(reconcile, "ASK_AGAIN_MS", 200)
    settings.COPY_RECV_WINDOW_MS = 600
    settings.COPY_HTTP_TIMEOUT_MS = 400
    settings.COPY_LEASE_MS = 900
    limits._marked.clear()
    rules = RULES["spot"] | {
        "step": "0.0001",
        "max_qty": "9000",
        "market_max_qty": "120",
        "base": "ETH",
        "quote": "USDT",
    }
    redis_clients.sync().hset(cache.rules_key("paper", "binance", "spot"), "ETHUSDT", orjson.dumps(rules))
    cache.forget()
    yield
    stand.venue.control("DELETE", "/limits")


@pytest.fixture
def weight(monkeypatch, redis_db):
    """`weight(5)`: so much an address and day, of which opens may use four fifths; nothing of it used."""

    def allow(limit: int) -> None:
        venue = replace(BINANCE_SPOT, weight=Window(limit, DAY, "x-mbx-used-weight-1m"))
        monkeypatch.setitem(VENUES, ("binance", "spot"), venue)
        redis_db.delete(HERE.own_key("weight"))

    return allow


def statuses(signal, *, by: str = "subscription_id") -> list[tuple[Status, str]]:
    rows = Order.objects.filter(signal_id=signal.pk).order_by(by)
    return [(Status(row.status), row.error_code) for row in rows]


def test_opens_that_find_no_room_go_back_before_anything_left_and_go_out_when_there_is_room(stand, weight):
    followers = [stand.follower(name) for name in ("ben", "cleo", "dan", "eve")]
    weight(3)
    signal = stand.signal("buy")

    stand.plan()

    # Who finds room is who was drawn first.
    assert statuses(signal, by="place") == [(Status.FILLED, "")] * 2 + [(Status.PLANNED, "rate_limit")] * 2
    held = [one for one in followers if stand.order(one, signal).status == Status.PLANNED]
    waiting = stand.order(held[1], signal)
    assert (waiting.attempts, waiting.sent_at, stand.executed(held[1])) == (1, None, {})
    assert waiting.error == "The exchange's limits are used up; it is sent as soon as there is room"
    promised = Nudge.objects.get(task="trading.execute")
    assert promised.ids == {"signal_id": signal.pk, "first": held[0].pk, "last": held[1].pk}
    weight(100)
    swept_until(stand, waiting, Status.FILLED)
    assert statuses(signal) == [(Status.FILLED, "")] * 4
    assert [list(stand.executed(follower).values()) for follower in followers] == [[1]] * 4


def test_what_waits_for_room_is_not_claimed_until_it_is_worth_it(stand, weight, monkeypatch):
    ben = stand.follower("ben")
    monkeypatch.setattr(gate, "LATEST_MS", 60_000)
    weight(0)
    signal = stand.signal("buy")
    stand.plan()
    weight(100)

    sent = execute(schema="t_alpha", signal_id=signal.pk, first=0, last=2**40)

    assert (sent, stand.order(ben, signal).attempts, stand.executed(ben)) == (0, 1, {})


def test_opens_that_grow_too_old_while_they_wait_are_missed_with_the_reason_and_closes_never(stand, weight):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    stand.pool.signal_ttl_s = 1
    stand.pool.save()
    weight(0)
    opened, closed = stand.signal("buy", symbol="ETHUSDT", price="3000"), stand.signal("sell", effect="close")
    stand.plan()
    assert (stand.order(ben, closed).status, stand.order(ben, closed).error_code) == (Status.PLANNED, "rate_limit")

    missed = swept_until(stand, stand.order(ben, opened), Status.MISSED)

    assert (missed.error_code, missed.error) == (
        "rate_limit",
        "The exchange's limits left no room for it while the trade was fresh",
    )
    ben.refresh_from_db()
    assert ben.reserved == 0
    weight(100)
    assert swept_until(stand, stand.order(ben, closed), Status.FILLED).filled > 0
    assert stand.holding(ben).qty == 0


def test_a_close_uses_the_reserve_that_opens_leave(stand, weight):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    weight(1)
    opened, closed = stand.signal("buy", symbol="ETHUSDT", price="3000"), stand.signal("sell", effect="close")

    stand.plan()

    assert (statuses(opened), statuses(closed)) == ([(Status.PLANNED, "rate_limit")], [(Status.FILLED, "")])
    assert sorted(stand.executed(ben).values()) == [1, 1]


def test_a_claimant_that_wakes_too_late_gives_nothing_back(stand):
    ben = stand.follower("ben")
    stand.vault.egress.kill()
    stand.vault.egress.wait()
    signal = stand.signal("buy")
    stand.plan()
    stand.vault.start_egress()
    order = swept_until(stand, stand.order(ben, signal), Status.FILLED)
    Order.objects.filter(pk=order.pk).update(status=Status.SENDING)
    late = gate.Back(order.pk, 1, ben.pk, "rate_limit", "late")

    gate.give_back(schema="t_alpha", signal=_row(signal), rows=[late], wait_ms=500)

    order.refresh_from_db()
    assert (order.status, order.attempts, order.error) == (Status.SENDING, 2, "")
    assert not Nudge.objects.filter(task="trading.execute").exists()


def test_what_the_venue_refuses_for_the_moment_is_sent_again_and_never_asked_after(stand):
    ben, cleo = stand.follower("ben"), stand.follower("cleo")
    stand.venue.control("DELETE", "/limits")
    stand.venue.control("POST", "/limits", {"market": "spot", "weight": 1, "enforced": True})
    signal = stand.signal("buy")

    stand.plan()

    assert sorted(statuses(signal)) == [(Status.PLANNED, "-1003"), (Status.FILLED, "")]
    waiting = Order.objects.get(signal_id=signal.pk, status=Status.PLANNED)
    stand.venue.control("DELETE", "/limits")
    swept_until(stand, waiting, Status.FILLED)
    assert [*stand.executed(ben).values(), *stand.executed(cleo).values()] == [1, 1]
    assert requests(stand) == {"127.0.0.1": 1}  # since it was restored: the order alone, and no question after it


def test_an_account_with_too_many_orders_waits_alone(stand, monkeypatch):
    venue = replace(BINANCE_SPOT, orders=(Window(200_000, DAY, "x-mbx-order-count-1d"),))
    monkeypatch.setitem(VENUES, ("binance", "spot"), venue)
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    cleo = stand.follower("cleo")
    stand.venue.control("POST", "/limits", {"market": "spot", "orders": {"1d": 1}, "enforced": True})

    signal = stand.signal("buy", symbol="ETHUSDT", price="3000")
    stand.plan()

    assert (stand.order(ben, signal).error_code, stand.order(cleo, signal).status) == ("-1015", Status.FILLED)
    stand.venue.control("DELETE", "/limits")
    late = stand.signal("buy", symbol="ETHUSDT", price="3000")
    stand.plan()
    # Ben's day is used up as far as is known, so nothing more of his is even tried; Cleo's goes on.
    assert (stand.order(ben, late).error_code, stand.order(cleo, late).status) == ("rate_limit", Status.FILLED)


def test_on_usdm_the_account_is_limited_and_the_address_is_not(stand, monkeypatch):
    venue = replace(
        BINANCE_USDM,
        weight=Window(0, DAY, "x-mbx-used-weight-1m"),
        orders=(Window(2, DAY, "x-mbx-order-count-10s"),),
    )
    monkeypatch.setitem(VENUES, ("binance", "usdm"), venue)
    ben = stand.follower("ben", invest="4000", lose="4000")
    first = stand.signal("buy", market="usdm")
    stand.plan()
    second, closed = stand.signal("buy", market="usdm"), stand.signal("sell", effect="close", market="usdm")
    stand.plan()

    # One of the two is kept for closes; this close waits for the open before it, whose fate is not known.
    assert (statuses(first), statuses(second)) == ([(Status.FILLED, "")], [(Status.PLANNED, "rate_limit")])
    assert (stand.order(ben, closed).waits, len(stand.executed(ben))) == (True, 1)


def test_a_close_does_not_wait_for_an_open_that_found_no_room(stand, weight):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    weight(1)
    opened, closed = stand.signal("buy"), stand.signal("sell", effect="close")
    stand.plan()
    assert (statuses(opened), stand.order(ben, closed).waits) == ([(Status.PLANNED, "rate_limit")], True)

    execute(schema="t_alpha", signal_id=closed.pk, first=ben.pk, last=ben.pk)

    missed = stand.order(ben, opened)
    assert (missed.status, missed.error) == (
        Status.MISSED,
        "The lead had closed before there was room for it at the exchange",
    )
    assert (stand.order(ben, closed).status, stand.holding(ben).qty) == (Status.FILLED, 0)
    ben.refresh_from_db()
    assert (ben.reserved, ben.exposure) == (0, 0)


def test_a_close_waits_for_an_open_that_was_claimed_again(stand, weight):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    weight(1)
    opened, closed = stand.signal("buy"), stand.signal("sell", effect="close")
    stand.plan()
    sending = stand.order(ben, opened)
    Order.objects.filter(pk=sending.pk).update(status=Status.SENDING, attempts=2)

    sent = execute(schema="t_alpha", signal_id=closed.pk, first=ben.pk, last=ben.pk)

    assert sent == 0
    assert (stand.order(ben, opened).status, stand.order(ben, closed).status) == (Status.SENDING, Status.PLANNED)


# -- addresses -------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_addresses(stand, settings):
    """The egress opens connections from 127.0.0.1 and 127.0.0.2."""
    settings.EGRESS_ADDRESSES = ["127.0.0.1", "127.0.0.2"]
    restart(stand, OBSCURA_EGRESS_ADDRESSES="127.0.0.1,127.0.0.2")
    stand.venue.control("DELETE", "/limits")
    yield
    restart(stand)


def restart(stand, **env: str) -> None:
    stand.vault.egress.terminate()
    stand.vault.egress.wait()
    stand.vault.start_egress(**env)


def at(subscription, address: str):
    subscription.account.egress_address = address
    subscription.account.save()
    return subscription


def requests(stand) -> dict[str, int]:
    addresses = stand.venue.control("GET", "/limits")["spot"]["addresses"]
    return {name: one["requests"] for name, one in addresses.items() if name != PRICES_FROM}


def test_the_venue_sees_each_account_at_its_own_address(stand, two_addresses):
    ben, cleo = at(stand.follower("ben"), "127.0.0.1"), at(stand.follower("cleo"), "127.0.0.2")
    dan = at(stand.follower("dan"), "127.0.0.2")
    signal = stand.signal("buy")

    stand.plan()

    assert requests(stand) == {"127.0.0.1": 1, "127.0.0.2": 2}
    assert statuses(signal) == [(Status.FILLED, "")] * 3
    assert [list(stand.executed(one).values()) for one in (ben, cleo, dan)] == [[1]] * 3


def test_each_address_has_its_own_limit_with_the_venue_and_with_us(stand, two_addresses, weight):
    at(stand.follower("ben"), "127.0.0.1")
    for name in ("cleo", "dan", "eve"):
        at(stand.follower(name), "127.0.0.2")
    stand.venue.control("POST", "/limits", {"market": "spot", "weight": 2, "enforced": True})
    signal = stand.signal("buy")

    stand.plan()
    other = stand.signal("buy", symbol="ETHUSDT", price="3000")
    stand.plan()

    # Three orders were more than the second address has: the venue refused one, and now only that address is silent.
    assert statuses(signal)[0] == (Status.FILLED, "")
    assert sorted(statuses(signal)[1:]) == [(Status.PLANNED, "-1003"), (Status.FILLED, ""), (Status.FILLED, "")]
    assert statuses(other) == [(Status.FILLED, "")] + [(Status.PLANNED, "venue_pause")] * 3
    told = stand.venue.control("GET", "/limits")["spot"]["addresses"]
    refused = {name: one["refused"] for name, one in told.items() if name != PRICES_FROM}
    assert refused == {"127.0.0.1": 0, "127.0.0.2": 1}


def test_an_order_is_asked_after_from_the_address_it_left_from(stand, two_addresses):
    ben = at(stand.follower("ben"), "127.0.0.2")
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    signal = stand.signal("buy")
    stand.plan()

    swept_until(stand, stand.order(ben, signal), Status.FILLED)

    assert list(requests(stand)) == ["127.0.0.2"]


# -- the breaker -----------------------------------------------------------------------------------------------------


def test_a_frozen_venue_opens_the_breaker_and_opens_wait_until_it_answers(stand, monkeypatch, redis_db):
    monkeypatch.setattr(limits, "FAILURES", 2)
    monkeypatch.setattr(limits, "REST_MS", 1_000)
    followers = [stand.follower(name) for name in ("ben", "cleo")]
    first = stand.signal("buy")
    stand.venue.process.send_signal(signals.SIGSTOP)
    try:
        stand.plan()
        second = stand.signal("buy", symbol="ETHUSDT", price="3000")
        stand.plan()
    finally:
        stand.venue.process.send_signal(signals.SIGCONT)

    assert statuses(first) == [(Status.UNSURE, "silence")] * 2
    assert statuses(second) == [(Status.PLANNED, "venue_away")] * 2
    for follower in followers:
        for signal in (first, second):
            swept_until(stand, stand.order(follower, signal), Status.FILLED)
    assert [sorted(stand.executed(follower).values()) for follower in followers] == [[1, 1]] * 2
    assert not redis_db.exists(HERE.key("breaker"))


def test_opens_that_grow_too_old_while_the_venue_is_away_are_missed_with_the_reason(stand, redis_db):
    ben = stand.follower("ben")
    stand.pool.signal_ttl_s = 1
    stand.pool.save()
    away(redis_db)
    signal = stand.signal("buy")
    stand.plan()

    missed = swept_until(stand, stand.order(ben, signal), Status.MISSED)

    assert (missed.error_code, missed.error) == (
        "venue_away", "The exchange did not answer while the trade was fresh"
    )  # fmt: skip
    assert stand.executed(ben) == {}


def test_a_close_is_the_probe_that_closes_the_breaker(stand, redis_db):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    away(redis_db)
    opened, closed = stand.signal("buy", symbol="ETHUSDT", price="3000"), stand.signal("sell", effect="close")

    stand.plan()

    assert (statuses(opened), statuses(closed)) == ([(Status.PLANNED, "venue_away")], [(Status.FILLED, "")])
    swept_until(stand, stand.order(ben, opened), Status.FILLED)
    assert sorted(stand.executed(ben).values()) == [1, 1, 1]


def test_closes_are_probes_of_a_few_at_a_time(stand, monkeypatch, redis_db):
    monkeypatch.setattr(limits, "PROBES", 1)
    followers = [stand.follower(name) for name in ("ben", "cleo", "dan")]
    stand.signal("buy")
    stand.plan()
    away(redis_db)
    stand.venue.control("POST", "/faults", {"error_503": 1})
    closed = stand.signal("sell", effect="close")

    stand.plan()

    assert sorted(statuses(closed)) == [(Status.PLANNED, "-1008")] + [(Status.PLANNED, "venue_away")] * 2
    redis_db.hset(HERE.key("breaker"), "probed_close", 0)
    for follower in followers:
        swept_until(stand, stand.order(follower, closed), Status.FILLED)
    assert [sorted(stand.executed(follower).values()) for follower in followers] == [[1, 1]] * 3


def away(redis_db) -> None:
    """The breaker is open, and will be for a minute unless somebody answers."""
    limits.heed(HERE, [limits.Result(0, 0, b"timeout", 1, 2, {})] * limits.FAILURES)
    now_ms = int(redis_db.time()[0]) * 1000
    redis_db.hset(HERE.key("breaker"), "retry_at", now_ms + 60_000)


def _row(signal):
    from trading.execution.execute import load_signal

    return load_signal(schema="t_alpha", signal_id=signal.pk)
