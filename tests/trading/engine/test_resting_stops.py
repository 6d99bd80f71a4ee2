"""Stops that rest at the venue: placed for a copy, moved with it, heard when they fire, and never in a close's way."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from citadel.models import Credential, ExchangeAccount
from obscura.core import clock
from trading.domain.order_state import Status
from trading.domain.stops import State
from trading.execution import reconcile
from trading.execution.protect import keep as module
from trading.execution.protect.keep import keep
from trading.guard.memory import Memory
from trading.guard.round import Counts, look
from trading.models import Holding, Notice, Order, RestingStop, Signal

D = Decimal
STOP, TAKE = {"stop_loss_pct": "5"}, {"take_profit_pct": "10"}


class Protected:
    """The stand with a guard and a keeper of stops beside it."""

    def __init__(self, stand: Any) -> None:
        self.stand, self.memory = stand, Memory()

    def opened(self, name: str = "ben", *, side: str = "buy", **exits: str) -> Any:
        """A follower of Ada's futures at 60,000 who holds 0.006 bitcoin, with these exits."""
        follower = self.stand.follower(name, invest="4000", lose="4000", settings=exits or STOP)
        self.stand.signal(side, market="usdm")
        self.stand.plan()
        assert abs(self.stand.holding(follower).qty) == D("0.006")
        return follower

    def keep(self) -> dict[str, int]:
        RestingStop.objects.filter(ended_at=None).exclude(state=State.RESTING).update(due_at=clock.now())
        return keep(tenant=self.stand.tenant)

    def look(self, *, after: timedelta = timedelta()) -> Counts:
        self.stand.tenant.refresh_from_db()
        counts = look(tenant=self.stand.tenant, memory=self.memory, now=clock.now() + after)
        self.stand.plan()
        return counts

    def moves(self, price: str) -> None:
        """The market moves: at the venue, and in what we know of it."""
        self.stand.venue.price("BTCUSDT", price)
        self.stand.price("BTCUSDT", price, market="usdm")

    def open_at_venue(self, follower: Any) -> list[tuple[str, str, str, str]]:
        """By type: those that are sent together may arrive in any order."""
        key = self.stand.keys[follower.pk]
        _, _, found = self.stand.venue.call("GET", "/fapi/v1/openAlgoOrders", key, symbol="BTCUSDT")
        return sorted((row["orderType"], row["side"], row["triggerPrice"], row["quantity"]) for row in found)

    def position(self, follower: Any) -> list[str]:
        _, _, found = self.stand.venue.call("GET", "/fapi/v3/positionRisk", self.stand.keys[follower.pk])
        return [row["positionAmt"] for row in found]


@pytest.fixture
def protected(stand) -> Protected:
    stand.venue.price("BTCUSDT", "60000")
    return Protected(stand)


def stops(follower: Any) -> list[tuple[str, str]]:
    rows = RestingStop.objects.filter(subscription_id=follower.pk).order_by("id")
    return [(row.kind, State(row.state).name) for row in rows]


def told(follower: Any) -> list[str]:
    return list(Notice.objects.filter(subscription_id=follower.pk).order_by("id").values_list("words", flat=True))


@pytest.mark.parametrize(
    ("side", "exits", "rests"),
    [
        ("buy", STOP, [("STOP_MARKET", "SELL", "57000", "0.006")]),
        ("sell", STOP, [("STOP_MARKET", "BUY", "62999.8", "0.006")]),
        ("buy", TAKE, [("TAKE_PROFIT_MARKET", "SELL", "66000", "0.006")]),
        ("sell", TAKE, [("TAKE_PROFIT_MARKET", "BUY", "53999.9", "0.006")]),
        ("buy", {"trailing_pct": "3"}, [("STOP_MARKET", "SELL", "58200", "0.006")]),
        ("buy", STOP | TAKE | {"trailing_pct": "8"}, [
            ("STOP_MARKET", "SELL", "57000", "0.006"), ("TAKE_PROFIT_MARKET", "SELL", "66000", "0.006"),
        ]),
    ],
)  # fmt: skip
def test_what_a_follower_chose_rests_at_the_exchange(protected, side, exits, rests):
    ben = protected.opened(side=side, **exits)

    assert protected.keep()["placed"] == len(rests)

    assert protected.open_at_venue(ben) == rests
    assert protected.keep() == {"placed": 0, "withdrawn": 0, "fired": 0, "refused": 0}


def test_a_stop_that_fires_while_nobody_looks_is_written_as_the_close_it_was(stand, protected):
    ben = protected.opened()
    protected.keep()
    stand.venue.price("BTCUSDT", "56900")  # we have not heard of it: the exchange alone acts
    assert protected.position(ben) == []

    RestingStop.objects.update(due_at=clock.now())
    assert protected.keep()["fired"] == 1

    [close] = Order.objects.filter(subscription_id=ben.pk, effect="close")
    assert (close.status, close.qty, close.filled, close.average) == (
        Status.FILLED, D("0.006"), D("0.006"), D("56899.9"),
    )  # fmt: skip
    assert stand.executed(ben)[close.client_id] == 1
    holding = stand.holding(ben)
    assert (holding.qty, holding.closing) == (0, 0)
    ben.refresh_from_db()
    assert (ben.exposure, ben.reserved) == (0, 0)
    assert ben.realised == D("0.006") * (D("56899.9") - 60000)
    signal = Signal.objects.get(pk=close.signal_id)
    assert (signal.source, signal.only_for, signal.metadata["cause"]) == ("guard", ben.pk, "stop_loss")
    assert told(ben) == ["Your stop loss at 5 % is reached; your order at the exchange (57000) closes it."]
    assert stops(ben) == [("stop", "DONE")]
    assert protected.keep() == {"placed": 0, "withdrawn": 0, "fired": 0, "refused": 0}


def test_the_guard_leaves_it_to_the_exchange_and_closes_nothing_twice(stand, protected):
    ben = protected.opened()
    protected.keep()
    protected.moves("56900")

    for _ in range(2):
        assert protected.look().closes == 0
    assert protected.keep()["fired"] == 1
    for _ in range(2):
        protected.look()

    [close] = Order.objects.filter(subscription_id=ben.pk, effect="close")
    assert (close.status, stand.executed(ben)[close.client_id]) == (Status.FILLED, 1)
    assert len(stand.executed(ben)) == 2
    assert len(told(ben)) == 1


def test_one_that_does_not_fire_is_withdrawn_and_the_guard_closes(stand, protected, monkeypatch):
    ben = protected.opened()
    protected.keep()
    monkeypatch.setattr(module, "GRACE", timedelta())
    stand.price("BTCUSDT", "56900", market="usdm")  # our price alone: the exchange trades at 60,000

    assert protected.look().closes == 0
    assert protected.keep()["withdrawn"] == 1
    assert protected.open_at_venue(ben) == []
    assert protected.look().closes == 1

    [close] = Order.objects.filter(subscription_id=ben.pk, effect="close")
    assert close.status == Status.FILLED
    assert stops(ben) == [("stop", "GONE")]
    assert protected.keep()["placed"] == 0


def test_where_nobody_withdraws_it_the_guard_closes_all_the_same(stand, protected):
    ben = protected.opened()
    protected.keep()
    stand.price("BTCUSDT", "56900", market="usdm")
    assert protected.look().closes == 0

    RestingStop.objects.update(crossed_at=clock.now() - timedelta(seconds=16))
    assert protected.look().closes == 1

    assert stand.holding(ben).qty == 0


def test_what_a_trailing_stop_has_gained_is_closed_from_here(stand, protected):
    ben = protected.opened(trailing_pct="3")
    protected.keep()
    protected.moves("66000")
    protected.look()
    protected.moves("64000")  # 3 % of the entry below the best is 64,200; the stop at the exchange is at 58,200

    assert protected.look().closes == 1

    assert stand.holding(ben).qty == 0
    assert protected.keep()["withdrawn"] == 1
    assert protected.open_at_venue(ben) == []


def test_the_leads_close_waits_for_no_stop_which_is_withdrawn_behind_it(stand, protected):
    ben = protected.opened(**STOP, **TAKE)
    protected.keep()

    stand.signal("sell", effect="close", market="usdm")
    stand.plan()

    assert stand.holding(ben).qty == 0
    assert protected.keep()["withdrawn"] == 2
    assert protected.open_at_venue(ben) == []
    assert stops(ben) == [("stop", "GONE"), ("take", "GONE")]


def test_when_one_fires_the_other_is_withdrawn(protected):
    ben = protected.opened(**STOP, **TAKE)
    protected.keep()
    protected.moves("66100")

    RestingStop.objects.update(due_at=clock.now())
    protected.keep()
    protected.keep()

    assert stops(ben) == [("stop", "GONE"), ("take", "DONE")]
    assert protected.open_at_venue(ben) == []


def test_it_shrinks_with_a_partial_close_and_moves_with_an_addition(stand, protected):
    ben = protected.opened()
    protected.keep()

    stand.signal("sell", effect="close", market="usdm", fraction="0.5")
    stand.plan()
    protected.keep()
    assert protected.open_at_venue(ben) == [("STOP_MARKET", "SELL", "57000", "0.003")]

    protected.moves("64000")
    stand.signal("buy", market="usdm", price="64000")
    stand.plan()
    protected.keep()
    holding = stand.holding(ben)
    entry = holding.cost / holding.qty
    [(_, _, trigger, qty)] = protected.open_at_venue(ben)
    assert D(qty) == holding.qty
    assert entry * D("0.95") <= D(trigger) < entry * D("0.95") + D("0.1")


@pytest.mark.parametrize("fault", [{"timeout_after_execution": 1}, {"garbage": 1}, {"unknown_503": 1}])
def test_silence_is_asked_after_and_nothing_is_placed_twice(stand, protected, settings, fault):
    settings.COPY_HTTP_TIMEOUT_MS = 400
    ben = protected.opened()
    stand.venue.control("POST", "/faults", fault)

    protected.keep()
    protected.keep()

    assert protected.open_at_venue(ben) == [("STOP_MARKET", "SELL", "57000", "0.006")]
    assert stops(ben) == [("stop", "RESTING")]


def test_one_that_never_arrived_is_placed_anew_when_nothing_can_be_on_its_way(stand, protected, settings):
    settings.COPY_RECV_WINDOW_MS, settings.COPY_HTTP_TIMEOUT_MS = 300, 200
    ben = protected.opened()
    protected.keep()
    # As if a worker had died between the claim and the first byte.
    key, row = stand.keys[ben.pk], RestingStop.objects.get()
    stand.venue.call("DELETE", "/fapi/v1/algoOrder", key, clientAlgoId=row.client_id)
    RestingStop.objects.update(state=State.SENDING, client_id="ab" * 16, sent_at=timezone.now() - timedelta(seconds=1))

    protected.keep()

    assert stops(ben) == [("stop", "GONE"), ("stop", "RESTING")]
    assert len(protected.open_at_venue(ben)) == 1


def test_what_its_owner_takes_back_at_the_exchange_stays_away_and_is_watched_from_here(stand, protected):
    ben = protected.opened()
    protected.keep()
    row = RestingStop.objects.get()
    stand.venue.call("DELETE", "/fapi/v1/algoOrder", stand.keys[ben.pk], clientAlgoId=row.client_id)
    RestingStop.objects.update(due_at=clock.now())

    for _ in range(2):
        protected.keep()
    assert protected.open_at_venue(ben) == []
    protected.moves("56900")

    assert protected.look().closes == 1
    assert stand.holding(ben).qty == 0


def test_one_that_would_fire_at_once_is_refused_and_the_guard_closes(stand, protected):
    ben = protected.opened()
    protected.moves("56900")

    assert protected.keep()["refused"] == 1
    assert protected.look().closes == 1

    assert stand.holding(ben).qty == 0
    assert stops(ben) == [("stop", "REFUSED")]


def test_an_account_that_keeps_longs_and_shorts_apart_is_told_the_side(stand, protected):
    ben = stand.follower("ben", invest="4000", lose="4000", settings=STOP)
    stand.signal("buy", market="usdm", position_side="LONG")
    stand.plan()

    protected.keep()
    assert protected.open_at_venue(ben) == [("STOP_MARKET", "SELL", "57000", "0.006")]
    stand.venue.price("BTCUSDT", "56900")
    RestingStop.objects.update(due_at=clock.now())
    protected.keep()

    assert protected.position(ben) == []
    assert stand.holding(ben).qty == 0


def test_one_that_cannot_be_reached_any_more_is_let_go(stand, protected):
    ben = protected.opened()
    protected.keep()
    ExchangeAccount.objects.filter(pk=ben.account_id).update(status="revoked")
    Credential.objects.filter(account_id=ben.account_id).delete()
    assert stand.signer.forget([ben.account_id.bytes]) == 1

    for _ in range(2):
        protected.keep()

    row = RestingStop.objects.get()
    assert (State(row.state), row.code) == (State.GONE, "unreachable")
    assert protected.keep()["placed"] == 0


def test_spot_is_watched_from_here_alone(stand, protected):
    ben = stand.follower("ben", settings=STOP)
    stand.signal("buy")
    stand.plan()

    assert protected.keep()["placed"] == 0

    assert stand.holding(ben).qty > 0
    assert stops(ben) == []


def test_two_rounds_at_once_place_one(stand, protected, monkeypatch):
    ben = protected.opened()
    real = module.venue.place

    def again(**kwargs: Any) -> Any:
        monkeypatch.setattr(module.venue, "place", real)
        assert keep(tenant=stand.tenant)["placed"] == 0  # another process, while this one is about to send
        return real(**kwargs)

    monkeypatch.setattr(module.venue, "place", again)
    assert protected.keep()["placed"] == 1

    assert len(protected.open_at_venue(ben)) == 1


def test_a_process_that_died_after_writing_that_it_fired_leaves_the_rest_to_the_next(stand, protected, monkeypatch):
    ben = protected.opened()
    protected.keep()
    stand.venue.price("BTCUSDT", "56900")
    RestingStop.objects.update(due_at=clock.now())
    monkeypatch.setattr(module.fired, "settle", lambda **_: 0)
    protected.keep()
    assert stops(ben) == [("stop", "FIRED")]
    assert Order.objects.get(effect="close").status == Status.WORKING
    monkeypatch.undo()

    protected.keep()
    reconcile.sweep(schema=stand.tenant.schema_name)

    assert stops(ben) == [("stop", "DONE")]
    assert [order.status for order in Order.objects.filter(effect="close")] == [Status.FILLED]
    assert Holding.objects.get(subscription_id=ben.pk).qty == 0
