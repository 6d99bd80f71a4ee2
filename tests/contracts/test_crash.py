"""The venue may be killed at any moment: what it acknowledged, it remembers."""

from __future__ import annotations

import http.client
import signal
import stat
import threading
from collections.abc import Callable

from .support import Key, Venue, until

ORDER = {"side": "BUY", "type": "MARKET", "quantity": "0.001"}


def test_killed_and_started_again_it_remembers_everything(open_venue: Callable[..., Venue]) -> None:
    venue = open_venue("--rate-limits", "off")
    venue.price("BTCUSDT", "60000")
    ben = venue.account("ben")
    _, filled = venue.spot(ben, newClientOrderId="filled", **ORDER)
    limit = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "50000"}
    _, waiting = venue.spot(ben, newClientOrderId="waiting", **limit)
    _, gone = venue.spot(ben, **limit)
    venue.call("DELETE", "/api/v3/order", ben, symbol="BTCUSDT", orderId=gone["orderId"])
    venue.call("POST", "/fapi/v1/leverage", ben, symbol="BTCUSDT", leverage=5)
    venue.usdm(ben, side="BUY", type="MARKET", quantity="0.1")
    paths = ["/api/v3/account", "/fapi/v3/balance"]
    before = [venue.call("GET", path, ben)[2] for path in paths] + [venue.executions("ben")]

    venue.restart(signal.SIGKILL)
    venue.price("BTCUSDT", "60000")

    assert [venue.call("GET", path, ben)[2] for path in paths] + [venue.executions("ben")] == before
    _, _, [open_order] = venue.call("GET", "/api/v3/openOrders", ben)
    assert open_order["orderId"] == waiting["orderId"]
    _, _, [position] = venue.call("GET", "/fapi/v2/positionRisk", ben, symbol="BTCUSDT")
    assert (position["positionAmt"], position["entryPrice"], position["leverage"]) == ("0.1", "60000", "5")
    venue.price("BTCUSDT", "49000")
    _, _, done = venue.call("GET", "/api/v3/order", ben, symbol="BTCUSDT", origClientOrderId="waiting")
    assert (done["status"], done["cummulativeQuoteQty"]) == ("FILLED", "500.00000000")
    _, newer = venue.spot(ben, **ORDER)
    assert newer["orderId"] > filled["orderId"]


def test_every_acknowledged_order_survives_a_kill_in_the_middle_of_many(open_venue: Callable[..., Venue]) -> None:
    venue = open_venue("--rate-limits", "off")
    keys = [venue.account("many", spot={"USDT": "1000000"}) for _ in range(4)]
    acknowledged: list[str] = []

    def send(key: Key, name: int) -> None:
        number = 0
        while True:
            client_id = f"o{name}-{number}"
            try:
                status, _ = venue.spot(key, newClientOrderId=client_id, **ORDER)
            except (OSError, http.client.HTTPException, ValueError):
                return
            assert status == 200
            acknowledged.append(client_id)
            number += 1

    senders = [threading.Thread(target=send, args=(key, name)) for name, key in enumerate(keys)]
    for sender in senders:
        sender.start()
    until(lambda: len(acknowledged) >= 100)
    assert venue.process
    venue.process.send_signal(signal.SIGKILL)
    for sender in senders:
        sender.join()
    venue.restart(signal.SIGKILL)

    found = venue.executions("many")
    assert set(acknowledged) <= found.keys()
    assert len(found.keys() - set(acknowledged)) <= len(keys)  # at most the one in flight on each connection
    assert {row["count"] for row in found.values()} == {1}


def test_what_came_of_a_trade_whose_answer_was_lost_can_be_asked(open_venue: Callable[..., Venue]) -> None:
    venue = open_venue("--rate-limits", "off")
    venue.price("BTCUSDT", "60000")
    ada = venue.account("ada")
    order = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.1"}
    told = {market: venue.trade(ada, market=market, client_id=f"by-hand-{market}", **order)
            for market in ("spot", "usdm")}  # fmt: skip

    venue.restart(signal.SIGKILL)

    def ask(market: str, client_id: str) -> dict:
        query = f"api_key={ada.api_key}&market={market}&client_id={client_id}"
        return venue.control("GET", f"/order?{query}")["order"]

    assert {market: ask(market, f"by-hand-{market}") for market in told} == told
    assert ask("spot", "by-hand-usdm") is None


def test_a_line_cut_short_is_dropped_and_the_file_goes_on(open_venue: Callable[..., Venue]) -> None:
    venue = open_venue("--rate-limits", "off")
    ben = venue.account("ben")
    venue.spot(ben, newClientOrderId="whole", **ORDER)
    venue.stop()
    journal = venue.folder / "journal.jsonl"
    with journal.open("ab") as file:
        file.write(b'["order",1,"spot",12')

    venue.start()
    venue.spot(ben, newClientOrderId="after", **ORDER)
    venue.restart()

    assert venue.executions("ben").keys() == {"whole", "after"}


def test_the_journal_is_for_its_owner_alone_and_for_one_venue(open_venue: Callable[..., Venue]) -> None:
    venue = open_venue()

    assert stat.S_IMODE((venue.folder / "journal.jsonl").stat().st_mode) == 0o600
    second = Venue.__new__(Venue)
    second.folder, second.more = venue.folder, ()
    try:
        second.start()
    except AssertionError as refused:
        assert "BlockingIOError" in str(refused)
    else:
        raise AssertionError("two venues on one journal")
    finally:
        assert second.process
        second.process.wait(10)


def test_it_ends_in_good_order(open_venue: Callable[..., Venue]) -> None:
    assert open_venue().stop(signal.SIGTERM) == 0
