"""What a lead's account is worth and its leverage come with its signals, as long as they are known."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trading.house import House
from tests.trading.support import NOON, fill, flat, lead
from trading.models import Signal
from trading.sentinel import worth
from trading.sentinel.ingest import ingest
from trading.sentinel.worth import Measure, measure, valued

D = Decimal
BOTH = ("spot", "usdm")


@pytest.fixture
def ada(alpha, cast, still, redis_db):
    """Ada's trader, who leads one pool and held nothing when the watch began."""
    _, trader = lead(cast.ada())
    flat(trader)
    return trader


def told(ada, *, spot: str | None = "2500.5", usdm: str | None = "7500", ago: timedelta = timedelta(0), levels=None):
    """What the venue said of Ada's account."""
    where = {"schema": "t_alpha", "account_id": ada.account_id}
    for market, equity in (("spot", spot), ("usdm", usdm)):
        if equity is not None:
            worth.remember(**where, market=market, markets=BOTH, equity=D(equity), at=NOON - ago)
    if levels is not None:
        worth.remember_leverages(**where, levels=levels, at=NOON - ago)


def means(ada, market: str = "usdm", symbol: str = "BTCUSDT") -> Measure:
    return measure(schema="t_alpha", account_id=ada.account_id, market=market, symbol=symbol)


def test_balances_are_valued_at_the_venues_prices():
    prices = {"BTCUSDT": "60000", "BNBUSDT": "600", "TIDEBNB": "0.01", "USDCUSDT": "0.9999", "USDTTRY": "40"}
    held = {"USDT": "100", "BTC": "0.5", "TIDE": "10", "USDC": "1000", "TRY": "80", "LDBTC": "0.1", "DUST": "5"}

    # 100 + 30,000 + 10 × 6 + 999.9 + 2 + 6,000, and nothing for what trades for nothing.
    assert valued(held, prices) == D("37161.9")
    assert valued({}, {}) == 0
    assert valued({"TRY": "1"}, {"USDTTRY": "3"}) == D("0.33333333")


def test_a_leads_equity_is_that_of_all_its_watched_markets(ada):
    told(ada, levels={"BTCUSDT": 20, "ETHUSDT": 5})

    assert means(ada) == Measure(D("10000.5"), 20)
    assert means(ada, symbol="ETHUSDT").leverage == 5
    assert means(ada, symbol="SOLUSDT").leverage is None
    assert means(ada, market="spot") == Measure(D("10000.5"), None)


def test_half_of_an_account_is_not_taken_for_the_whole(ada):
    told(ada, spot=None)
    assert means(ada) == means(ada, market="spot") == Measure(None, None)


def test_what_was_said_ten_minutes_ago_is_known_and_what_was_said_before_is_not(ada, still):
    told(ada, levels={"BTCUSDT": 20}, ago=timedelta(minutes=10))
    assert means(ada) == Measure(D("10000.5"), 20)

    still.forward(seconds=1)

    assert means(ada) == Measure(None, None)
    told(ada, spot=None, ago=timedelta(0), levels={"BTCUSDT": 20})
    assert means(ada) == Measure(None, 20)  # the spot half is still the old one


def test_a_change_that_the_stream_tells_is_known_at_once_but_is_not_all(ada):
    where = {"schema": "t_alpha", "account_id": ada.account_id}
    worth.change_leverages(**where, levels={"BTCUSDT": 3})
    assert means(ada).leverage is None

    told(ada, levels={"BTCUSDT": 20, "ETHUSDT": 5})
    worth.change_leverages(**where, levels={"BTCUSDT": 3})

    assert (means(ada).leverage, means(ada, symbol="ETHUSDT").leverage) == (3, 5)


def test_another_tenants_account_is_another(ada):
    told(ada, levels={"BTCUSDT": 20})

    assert measure(schema="t_beta", account_id=ada.account_id, market="usdm", symbol="BTCUSDT") == Measure()


def test_a_signal_says_what_its_lead_has(ada):
    told(ada, levels={"BTCUSDT": 20})

    ingest(account_id=ada.account_id, fills=[fill(1, done=True)])
    ingest(account_id=ada.account_id, fills=[fill(2, order=8, market="spot", done=True)])

    said = [(one.market, one.lead_equity, one.lead_leverage) for one in Signal.objects.order_by("seq")]
    assert said == [("usdm", D("10000.5"), 20), ("spot", D("10000.5"), None)]


def test_a_signal_of_a_lead_of_whom_nothing_is_known_says_nothing(ada):
    ingest(account_id=ada.account_id, fills=[fill(1, done=True)])

    signal = Signal.objects.get()
    assert (signal.lead_equity, signal.lead_leverage) == (None, None)


def test_the_watch_finds_out_what_the_account_is_worth_and_hears_of_a_new_leverage(committed, alpha, cast):
    with tempfile.TemporaryDirectory(prefix="obscura-w-") as folder:
        house = House(Path(folder), alpha, cast.ada())
        try:
            house.venue.spot(house.key, symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1")
            house.start(OBSCURA_STREAM_POLL_S="0.5")
            account = house.trader.account_id

            def known() -> Measure:
                return measure(schema="t_alpha", account_id=account, market="usdm", symbol="BTCUSDT")

            house.until(lambda: known().equity and known().leverage, "the account is measured")
            usual = known()
            # Ten million dollars in each market; a fee and a spread were paid for the bitcoin.
            assert D("19999900") < usual.equity < D("20000000")

            assert house.venue.call("POST", "/fapi/v1/leverage", house.key, symbol="BTCUSDT", leverage=7)[0] == 200
            house.trade("usdm", "buy", "0.010")
            house.until(lambda: Signal.objects.filter(market="usdm").exists(), "the trade is a signal")

            signal = Signal.objects.get(market="usdm")
            assert usual.leverage != 7
            assert signal.lead_leverage == 7
            assert D("19999900") < signal.lead_equity < D("20000000")
            assert "account.unmeasured" not in house.log() and "Traceback" not in house.log()
        finally:
            house.close()
