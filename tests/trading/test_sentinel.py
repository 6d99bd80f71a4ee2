"""Whatever happens to a stream or to the sentinel, every trade of a lead ends as exactly one lead fill."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from obscura.core import alive
from tests.trading.house import House
from trading.models import LeadFill, LeadPosition, Signal
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

    disturbed({"drop_streams": True})
    disturbed({"half_open": True})
    disturbed({"expire_listen_keys": True}, "usdm")
    disturbed({"restart_streams": True})

    assert house.stop() == 0, house.log()
    assert state.streams() == []
    assert "Traceback" not in house.log() and "holdings.unexplained" not in house.log()
    assert LeadFill.objects.filter(external_id=None).count() == 0
    position = LeadPosition.objects.get(market="usdm")
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

    house.until(lambda: LeadPosition.objects.get(market="usdm", symbol="BTCUSDT").qty == 0, "the position is closed")
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
