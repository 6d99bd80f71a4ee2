"""What a lead held before anybody watched tells an open from a close, whatever was told before or after it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from pools.models import Pool, PoolTrader
from tests.trading.support import NOON, fill, flat, lead
from trading.domain.intents import BEFORE
from trading.models import AccountPosition, LeadFill, LeadPosition, Signal
from trading.sentinel import book
from trading.sentinel import ingest as door
from trading.sentinel.book import Seen
from trading.sentinel.ingest import group, ingest

D = Decimal
BTC = ("BTCUSDT", "BOTH")


def at(seconds: float):
    return NOON + timedelta(seconds=seconds)


def told(qty: str, *, asked: float = 0, changed: float = -3600, place=BTC) -> Seen:
    return Seen(at(asked), {place: (D(qty), at(changed))})


def said() -> list[tuple]:
    return [(one.effect, one.side, one.qty, one.fraction) for one in Signal.objects.order_by("seq")]


def held(place=BTC) -> Decimal:
    return AccountPosition.objects.get(symbol=place[0], side=place[1]).qty


@pytest.fixture
def ada(alpha, cast, still):
    _, trader = lead(cast.ada())
    return trader


def trade(ada, number: int, side: str, qty: str, seconds: float, **fields):
    """A filled order of Ada's, told as it happens."""
    one = fill(number, order=number, side=side, qty=qty, at=at(seconds), done=True, **fields)
    return ingest(account_id=ada.account_id, fills=[one])


def begin(ada, seen: Seen):
    assert book.begin(account_id=ada.account_id, seen=seen)
    return group(account_id=ada.account_id)


def test_a_long_from_before_is_reduced_enlarged_and_flipped(ada):
    begin(ada, told("2"))

    trade(ada, 1, "sell", "0.5", 1)
    trade(ada, 2, "buy", "0.5", 2)
    trade(ada, 3, "sell", "5", 3)

    assert said() == [
        ("close", "sell", D("0.5"), D("0.25")),
        ("open", "buy", D("0.5"), D(1)),
        ("close", "sell", D(2), D(1)),
        ("open", "sell", D(3), D(1)),
    ]
    assert held() == -3


def test_a_position_from_before_began_before_anybody_watched(ada):
    begin(ada, told("2"))

    trade(ada, 1, "buy", "0.5", 1)
    trade(ada, 2, "sell", "5", 2)
    trade(ada, 3, "sell", "1", 3)

    since = list(Signal.objects.order_by("seq").values_list("position_since", flat=True))
    assert since == [BEFORE, BEFORE, None, at(2)]


def test_a_trade_that_the_venue_told_with_the_positions_begins_one(ada):
    """The 2 that it told were bought by a fill that comes to us only later: before it she was flat."""
    begin(ada, told("2"))

    trade(ada, 1, "buy", "2", -1)
    trade(ada, 2, "buy", "1", 1)

    assert list(Signal.objects.order_by("seq").values_list("position_since", flat=True)) == [None, at(-1)]


def test_a_short_from_before_is_bought_back(ada):
    begin(ada, told("-4"))

    trade(ada, 1, "buy", "1", 1)
    trade(ada, 2, "buy", "3", 2)

    assert said() == [("close", "buy", D(1), D("0.25")), ("close", "buy", D(3), D(1))]


def test_sides_of_a_hedged_account_have_positions_of_their_own(ada):
    long, short = ("BTCUSDT", "LONG"), ("BTCUSDT", "SHORT")
    begin(ada, Seen(NOON, {long: (D(2), at(-9)), short: (D(-8), at(-9))}))

    trade(ada, 1, "sell", "1", 1, position_side="LONG")
    trade(ada, 2, "buy", "2", 2, position_side="SHORT")
    trade(ada, 3, "sell", "2", 3, position_side="SHORT")

    assert said() == [
        ("close", "sell", D(1), D("0.5")),
        ("close", "buy", D(2), D("0.25")),
        ("open", "sell", D(2), D(1)),
    ]
    assert (held(long), held(short)) == (1, -8)


def test_a_trade_waits_until_it_is_known_what_was_held(ada, still):
    found = trade(ada, 1, "sell", "1", -1)
    assert (found.signals, found.until, said()) == (0, NOON + door.POSITIONS_PATIENCE, [])
    assert found.promise is not None

    # She held 3 and sold 1: the venue tells the 2 that are left, changed last by that sale.
    begin(ada, told("2", changed=-1))

    assert said() == [("close", "sell", D(1), D("0.333333333333333333"))]
    assert held() == 2
    assert not LeadFill.objects.filter(external_id=None).exists()


def test_several_trades_that_the_venue_counted_already_are_taken_in_their_order(ada):
    trade(ada, 1, "sell", "1", -2)
    trade(ada, 2, "sell", "1", -1)
    trade(ada, 3, "buy", "4", 5)

    # Long 1, closed by the first, short by the second; bought after the venue was asked.
    begin(ada, told("-1", changed=-1))

    assert said() == [
        ("close", "sell", D(1), D(1)),
        ("open", "sell", D(1), D(1)),
        ("close", "buy", D(1), D(1)),
        ("open", "buy", D(3), D(1)),
    ]
    assert held() == 3


def test_a_trade_of_before_that_is_told_afterwards_is_not_added_again(ada):
    begin(ada, told("2"))

    trade(ada, 1, "sell", "2", -30)

    assert said() == [("close", "sell", D(2), D("0.5"))]
    assert held() == 2


def test_a_trade_while_the_venue_was_asked_is_counted_by_the_time_of_the_position(ada):
    """Asked at 0; sold at 0.05, answered at 0.1 with the sale in it, and told of the sale only then."""
    begin(ada, told("0", changed=0.05))

    trade(ada, 1, "sell", "1", 0.05)
    trade(ada, 2, "buy", "1", 0.2)

    assert said() == [("close", "sell", D(1), D(1)), ("open", "buy", D(1), D(1))]
    assert held() == 1


def test_a_trade_after_the_answer_is_added(ada):
    trade(ada, 1, "sell", "1", 0.05)

    begin(ada, told("4"))

    assert said() == [("close", "sell", D(1), D("0.25"))]
    assert held() == 3


def test_what_was_never_told_opens_nothing_and_is_counted_once(ada, still):
    trade(ada, 1, "sell", "1", -1)
    still.forward(seconds=10)
    group(account_id=ada.account_id)
    assert said() == [("close", "sell", D(1), D(1))]

    # Asked just before that trade, answered late: it is consumed, and not in the answer.
    begin(ada, told("3", asked=-5))

    assert held() == 2
    trade(ada, 2, "sell", "1", 11)
    assert said()[1:] == [("close", "sell", D(1), D("0.5"))]


def test_a_book_is_begun_once(ada):
    begin(ada, told("2"))
    assert book.known(ada.account_id)

    assert not book.begin(account_id=ada.account_id, seen=told("7"))

    assert held() == 2


def test_a_pool_that_is_joined_later_or_was_paused_knows_the_position(ada):
    flat(ada)
    [first] = Pool.objects.all()
    trade(ada, 1, "buy", "4", 1)

    second = Pool.objects.create(kind="partner", name="Ebb", status="active", created_at=NOON)
    PoolTrader.objects.create(pool=second, trader=ada, weight=D(1))
    Pool.objects.filter(pk=first.pk).update(status="paused")
    trade(ada, 2, "sell", "1", 2)
    Pool.objects.filter(pk=first.pk).update(status="active")
    trade(ada, 3, "sell", "3", 3)

    def of(pool: Pool) -> list[tuple]:
        rows = Signal.objects.filter(pool_id=pool.pk).order_by("seq")
        return [(one.effect, one.qty, one.fraction) for one in rows]

    assert of(first) == [("open", D(4), D(1)), ("close", D(3), D(1))]
    assert of(second) == [("close", D(1), D("0.25")), ("close", D(3), D(1))]


def test_spot_asks_for_no_book(ada):
    trade(ada, 1, "sell", "1", 1, market="spot")

    assert said() == [("close", "sell", D(1), D(1))]
    assert not AccountPosition.objects.exists() and LeadPosition.objects.get().qty == 0


class Exchange:
    """What the venue answers, as ccxt hands it over."""

    async def fapipublic_get_time(self):
        return {"serverTime": "1795176000000"}

    async def fapiprivatev2_get_positionrisk(self):
        def row(symbol: str, amount: str, changed: int) -> dict[str, str]:
            return {"symbol": symbol, "positionSide": "BOTH", "positionAmt": amount, "updateTime": str(changed)}

        return [
            row("BTCUSDT", "-0.250", 1795170000000),
            row("ETHUSDT", "0.000", 1795170000000),
            row("SOLUSDT", "0", 1795176000040),
            row("XRPUSDT", "0", 0),
        ]


async def test_what_is_flat_is_looked_at_only_where_it_has_just_become_so():
    seen = await book.look(Exchange())

    assert seen.asked == NOON
    assert seen.positions == {BTC: (D("-0.250"), at(-6000)), ("SOLUSDT", "BOTH"): (D(0), at(0.04))}
    assert [seen.counted_until((name, "BOTH")) for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT")] == [NOON, NOON, at(0.04)]
