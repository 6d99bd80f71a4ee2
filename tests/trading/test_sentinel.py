"""Whatever happens to a stream or to the sentinel, every trade of a lead ends as exactly one lead fill."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from obscura.core import alive
from tests.trading.house import House
from trading.models import AccountPosition, LeadFill, Signal
from trading.sentinel import state


@pytest.fixture
def house(committed, alpha, cast) -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="obscura-s-") as folder:
        one = House(Path(folder), alpha, cast.ada())
        try:
            yield one
        finally:
            one.close()


def test_streams_dropped_frozen_expired_and_ended_lose_nothing(house: House) -> None:
    house.start()
    house.trade("usdm", "buy", "0.010")
    house.trade("spot", "buy", "0.020")
    house.agree()
    assert not LeadFill.objects.filter(backfilled=True).exists()

    def disturbed(fault: dict, market: str | None = None) -> None:
        """Make the fault, trade at once while nobody listens, and see that the stream stands again."""
        before = house.connects()
        house.venue.control("POST", "/faults", fault)
        for side, quantity in (("buy", "0.005"), ("sell", "0.002")):
            house.trade("usdm", side, quantity)
            house.trade("spot", side, quantity)
        house.agree()
        markets = {market} if market else {"spot", "usdm"}
        house.until(lambda: all(house.connects()[one] > before[one] for one in markets), f"connected after {fault}")
        house.until(lambda: house.live() == {"spot", "usdm"}, f"live after {fault}")
        house.trade("usdm", "buy", "0.002")
        house.trade("spot", "buy", "0.002", "ETHUSDT")
        house.agree()
        house.until(lambda: not waiting(), "every trade is a signal")

    disturbed({"drop_streams": True})
    disturbed({"half_open": True})
    disturbed({"expire_listen_keys": True}, "usdm")
    disturbed({"restart_streams": True})

    assert house.stop() == 0, house.log()
    assert state.streams() == []
    assert "Traceback" not in house.log() and "holdings.unexplained" not in house.log()
    assert LeadFill.objects.filter(external_id=None).count() == 0
    position = AccountPosition.objects.get(symbol="BTCUSDT")
    assert position.qty == Decimal("0.010") + 4 * Decimal("0.005")


def test_a_sentinel_that_is_killed_while_the_lead_trades_knows_everything_afterwards(house: House) -> None:
    house.start()
    for n in range(6):
        house.trade("usdm", "buy", "0.002")
        house.trade("spot", "buy", "0.002")
        if n == 3:
            house.stop(signal.SIGKILL)
    house.trade("spot", "buy", "0.05", "ETHUSDT")  # a symbol nobody had seen before
    for market in ("spot", "usdm"):  # and one that is bought and sold again, so that nothing of it is held
        house.trade(market, "buy", "3", "SOLUSDT")
        house.trade(market, "sell", "2.997" if market == "spot" else "3", "SOLUSDT")

    house.start()
    house.agree()
    house.trade("usdm", "sell", "0.012")
    house.agree()

    house.until(lambda: AccountPosition.objects.get(symbol="BTCUSDT").qty == 0, "the position is closed")
    assert Signal.objects.filter(market="usdm", symbol="BTCUSDT").order_by("-seq").first().effect == "close"
    assert {one["process"] for one in alive.processes()} == {"sentinel"}
    assert house.stop() == 0, house.log()
    assert "Traceback" not in house.log()


def test_what_a_frozen_stream_never_told_is_found_and_so_is_what_passed_without_a_signer(house: House) -> None:
    house.start(OBSCURA_STREAM_PING_MS="60000", OBSCURA_STREAM_POLL_S="0.3")
    house.trade("usdm", "buy", "0.010")
    house.agree()

    house.venue.control("POST", "/faults", {"half_open": True})
    house.trade("usdm", "sell", "0.010")

    house.agree()
    assert LeadFill.objects.get(side="sell").backfilled
    house.until(lambda: Signal.objects.filter(effect="close", fraction=1).exists(), "the close is copied")

    # The signer is killed, and the stream is lost before it comes back.
    assert house.vault.signer
    house.vault.signer.kill()
    house.vault.signer.wait(5)
    house.trade("usdm", "buy", "0.010")
    house.venue.control("POST", "/faults", {"drop_streams": True})
    house.trade("usdm", "buy", "0.020")
    house.trade("spot", "buy", "0.020")

    house.vault.start_signer()

    house.agree()
    house.until(lambda: house.live() == {"spot", "usdm"}, "the streams are live again")
    house.trade("usdm", "sell", "0.030")
    house.agree()
    assert "Traceback" not in house.log()


def test_what_the_lead_held_before_the_watch_is_known(house: House) -> None:
    house.trade("usdm", "buy", "0.040")
    house.trade("usdm", "sell", "3", "SOLUSDT")

    house.start()
    house.trade("usdm", "sell", "0.010")
    house.trade("usdm", "sell", "0.050")
    house.trade("usdm", "buy", "1.5", "SOLUSDT")

    def said(symbol: str) -> list[tuple[str, str, Decimal, Decimal]]:
        rows = Signal.objects.filter(symbol=symbol).order_by("seq")
        return [(one.effect, one.side, one.qty, one.fraction) for one in rows]

    house.until(lambda: Signal.objects.count() == 4, "every trade is a signal")
    assert said("BTCUSDT") == [
        ("close", "sell", Decimal("0.010"), Decimal("0.25")),
        ("close", "sell", Decimal("0.030"), Decimal(1)),
        ("open", "sell", Decimal("0.020"), Decimal(1)),
    ]
    assert said("SOLUSDT") == [("close", "buy", Decimal("1.5"), Decimal("0.5"))]

    # Killed, and turned around once more meanwhile: what is held is not asked again, the trade is.
    house.stop(signal.SIGKILL)
    house.trade("usdm", "buy", "0.030")
    house.start()

    house.until(lambda: Signal.objects.count() == 6, "the trade of the dark is a signal")
    assert said("BTCUSDT")[3:] == [
        ("close", "buy", Decimal("0.020"), Decimal(1)),
        ("open", "buy", Decimal("0.010"), Decimal(1)),
    ]
    assert {row.symbol: row.qty for row in AccountPosition.objects.exclude(symbol="")} == {
        "BTCUSDT": Decimal("0.010"),
        "SOLUSDT": Decimal("-1.5"),
    }
    assert "Traceback" not in house.log()


def test_a_lead_who_trades_while_the_watch_begins_is_counted_to_the_trade(house: House) -> None:
    house.trade("usdm", "buy", "0.050")
    busy, stop = 0, threading.Event()

    def trade_on() -> None:
        nonlocal busy
        while not stop.is_set():
            house.trade("usdm", ("sell", "sell", "buy")[busy % 3], f"0.00{busy % 4 + 2}")
            busy += 1
            time.sleep(0.003)

    trading = threading.Thread(target=trade_on)
    trading.start()
    try:
        house.start()
    finally:
        stop.set()
        trading.join()

    _, _, rows = house.venue.call("GET", "/fapi/v3/positionRisk", house.key, symbol="BTCUSDT")
    house.until(lambda: Signal.objects.exists() and not waiting(), "every trade is a signal")
    position = Decimal(rows[0]["positionAmt"])
    house.until(lambda: AccountPosition.objects.get(symbol="BTCUSDT").qty == position, "the book is the venue's")
    assert busy > 20


def waiting() -> bool:
    return LeadFill.objects.filter(external_id=None).exists()
