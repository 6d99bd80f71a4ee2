"""What an answer says of how much was certainly not executed; and the prices that the signer is told."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel.egress.outcomes import executed
from citadel.egress.prices import read
from citadel.signer.marks import Marks
from obscura.core.wire import Answer
from tests.citadel.support import BEN, TENANT, Exchange, Vault, order_chunk, sealed_mandate


@pytest.mark.parametrize(
    ("status", "body", "quantity"),
    [
        (-1, b"too_late", "0"),
        (0, b"timeout", None),
        (200, b'{"status":"FILLED","executedQty":"1"}', None),
        (200, b'{"status":"NEW","executedQty":"0"}', None),
        (200, b'{"status":"PARTIALLY_FILLED","executedQty":"0.5"}', None),
        (200, b'{"status":"EXPIRED","executedQty":"0.5"}', "0.5"),
        (200, b'{"status":"EXPIRED_IN_MATCH","executedQty":"0"}', "0"),
        (200, b'{"status":"EXPIRED","executedQty":0.5}', None),
        (200, b"garbage", None),
        (200, b"[1]", None),
        (400, b'{"code":-2010,"msg":"no"}', "0"),
        (400, b'{"code":-1007,"msg":"unknown"}', None),
        (400, b'{"code":-1006,"msg":"unknown"}', None),
        (408, b'{"code":-1,"msg":""}', None),
        (429, b'{"code":-1003,"msg":"slow"}', "0"),
        (429, b"<html>", "0"),
        (418, b"", "0"),
        (403, b"<html>", "0"),
        (404, b"<html>", None),
        (503, b'{"code":-1008,"msg":"unknown"}', None),
    ],
)
def test_only_what_is_certain_comes_back(status: int, body: bytes, quantity: str | None) -> None:
    assert executed(status=status, body=body) == quantity


@given(st.integers(100, 599), st.binary(max_size=60))
def test_no_answer_is_too_odd(status: int, body: bytes) -> None:
    assert executed(status=status, body=body) in (None, "0")


def test_prices_are_read_as_text_and_nothing_else_is_one() -> None:
    answer = Answer(200, b'[{"symbol":"BTCUSDT","price":"60000.10"}]', 0, 0, None)

    assert read(answer) == {"BTCUSDT": "60000.10"}
    for body in (b"", b"{}1", b"[1]", b'[{"symbol":"A"}]', b"null"):
        assert read(answer._replace(body=body)) is None
    assert read(answer._replace(status=429)) is None


@pytest.mark.parametrize("text", ["", "0", "-1", "NaN", "Infinity", "1" * 41, None, 5])
def test_what_is_no_price_is_not_taken_for_one(text: object) -> None:
    marks = Marks()
    marks.hear(("binance", "spot", "paper"), {"BTCUSDT": text}, whole=True)  # type: ignore[dict-item]

    assert marks.of(("binance", "spot", "paper"), "BTCUSDT") is None


def test_a_symbol_that_is_no_longer_told_of_has_no_price() -> None:
    marks, market = Marks(), ("binance", "spot", "paper")
    marks.hear(market, {"BTCUSDT": "60000", "OLDUSDT": "1"}, whole=True)
    marks.hear(market, {"BTCUSDT": "61000"}, whole=True)

    assert (str(marks.of(market, "BTCUSDT")), marks.of(market, "OLDUSDT")) == ("61000", None)


def test_the_signer_hears_prices_and_refusals_from_the_egress(vault: Vault, exchange: Exchange) -> None:
    """A refused order may be sent again at once under its id; a price that moved binds the next one."""
    vault.enrol([BEN])

    async def run() -> list[tuple[int, bytes]]:
        sender = vault.sender()
        exchange.answer = (400, b'{"code":-2010,"msg":"no"}')
        [refused] = await sender.send(order_chunk([BEN]))
        exchange.answer = (200, b'{"symbol":"BTCUSDT","status":"FILLED"}')
        [again] = await sender.send(order_chunk([BEN]))
        [third] = await sender.send(order_chunk([BEN]))
        exchange.prices["BTCUSDT"] = "900000"
        give_up = time.monotonic() + 10
        while True:  # the mandate allows 1,000 dollars in one order: 0.00123 are 1,107 now
            [dear] = await sender.send(order_chunk([BEN], first=int(time.monotonic() * 1000)))
            if dear.status != 200 or time.monotonic() > give_up:
                break
            await asyncio.sleep(0.05)
        await sender.close()
        return [(one.status, one.body) for one in (refused, again, third, dear)]

    refused, again, third, dear = asyncio.run(run())

    assert refused[0] == 400
    assert again[0] == 200
    assert third == (-1, b"signed_already")
    assert dear == (-1, b"mandate_order_cap")


def test_the_signer_finds_a_new_egress_by_itself(vault: Vault, exchange: Exchange) -> None:
    envelopes = vault.enrol([BEN])
    vault.egress.kill()
    vault.egress.wait()
    vault.signer.kill()
    vault.signer.wait()
    vault.start_signer()
    client = vault.client()
    client.open([(TENANT, BEN.account, envelopes[BEN.account], [sealed_mandate(BEN)])])
    assert client.stats()["marks"] == 0

    vault.start_egress()
    vault.wait_for_prices()

    assert client.stats()["marks"] > 0
    client.close()
