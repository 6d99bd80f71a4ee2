"""A worker turned hostile: it has a worker's sockets, envelopes, mandates and decoys, and gets nothing it may not have.

Each attempt is refused with a code, the code is on the signer's record, and the exchange has seen nothing of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal as D
from typing import Any
from urllib.parse import urlsplit

import ccxt
import msgpack
import pytest
from ccxt.base.exchange import BaseExchange

from citadel import decoys
from citadel.carry import Carrier
from citadel.client import UNSENT, Chunk, Result, Row, SignerRefused
from citadel.domain.mandate import Caps
from tests.citadel.support import (
    BEN,
    CLEO,
    TENANT,
    Exchange,
    Vault,
    now_ms,
    order_chunk,
    seal,
    sealed_mandate,
)
from tests.citadel.test_signer import Raw

AGREED = {"caps": Caps(D(100), D(300), D(1_000), 5), "allow": frozenset({"BTCUSDT"})}


@pytest.fixture
def ben(vault: Vault) -> dict[str, str]:
    """Ben's account, open under narrow terms: 100 dollars an order, 1,000 a day, in bitcoin alone. His envelopes."""
    envelopes = vault.enrol([BEN], open_them=False)[BEN.account]
    client = vault.client()
    assert client.open([(TENANT, BEN.account, envelopes, [sealed_mandate(BEN, **AGREED)])]) == (1, [])
    client.close()
    vault.wait_for_prices()
    return envelopes


def send(vault: Vault, *chunks: Chunk) -> list[Result]:
    async def run() -> list[Result]:
        sender = vault.sender()
        results = [await sender.send(chunk) for chunk in chunks]
        await sender.close()
        return [one for part in results for one in part]

    return asyncio.run(run())


def form(*, symbol: str = "BTCUSDT", side: str = "BUY", qty: str = "0.001", ident: str = "x", more: str = "") -> Chunk:
    """One order of Ben's at market: 0.001 bitcoin is 60 dollars."""
    head = f"symbol={symbol}&side={side}&type=MARKET&recvWindow=5000&timestamp={now_ms()}"
    tail = f"&quantity={qty}&newClientOrderId={ident}{more}".encode()
    return order_chunk([])._replace(head=head.encode(), rows=[Row(0, BEN.account, tail, BEN.subscription)])


def refusals(vault: Vault) -> dict[str, int]:
    client = vault.client()
    counts = client.stats()["refusals"]
    client.close()
    return dict(counts)


@contextmanager
def refused(vault: Vault, exchange: Exchange, code: str) -> Iterator[None]:
    """What happens inside is put on record under this code, and the exchange sees nothing."""
    seen, before = list(exchange.requests), refusals(vault).get(code, 0)
    yield
    assert refusals(vault).get(code, 0) > before, f"{code} is not on record: {refusals(vault)}"
    assert exchange.requests == seen


def test_an_honest_order_is_signed(vault: Vault, exchange: Exchange, ben: dict[str, str]) -> None:
    [result] = send(vault, form())

    assert result.status == 200
    assert exchange.executed == {"x": 1}


REQUESTS: list[tuple[str, dict[str, Any], str]] = [
    ("a withdrawal", {"method": "POST", "path": "/sapi/v1/capital/withdraw/apply"}, "request_not_allowed"),
    ("a transfer", {"method": "POST", "path": "/sapi/v1/asset/transfer"}, "request_not_allowed"),
    ("a new key", {"method": "POST", "path": "/sapi/v1/account/apiRestrictions"}, "request_not_allowed"),
    ("a cancel-all", {"method": "DELETE", "path": "/api/v3/openOrders"}, "request_not_allowed"),
    ("a margin loan", {"method": "POST", "path": "/sapi/v1/margin/order"}, "request_not_allowed"),
    ("another host", {"market": "margin"}, "venue_unknown"),
    ("real money", {"env": "live"}, "mandate_of_another"),
]


@pytest.mark.parametrize(("what", "change", "code"), REQUESTS, ids=[one[0] for one in REQUESTS])
def test_other_requests_than_a_workers(
    vault: Vault, exchange: Exchange, ben: dict[str, str], what: str, change: dict[str, Any], code: str
) -> None:
    with refused(vault, exchange, code):
        [result] = send(vault, form()._replace(**change))

    assert (result.status, result.body) == (UNSENT, code.encode())


ORDERS: list[tuple[str, Chunk, str]] = [
    ("another symbol", form(symbol="ETHUSDT"), "mandate_symbol"),
    ("a larger size", form(qty="0.002"), "mandate_order_cap"),
    ("a size in other words", form(qty="1e9"), "field_value"),
    ("a size beside the size", form(more="&quantity=5"), "query_not_canonical"),
    ("an amount in dollars", form(more="&quoteOrderQty=5000"), "field_not_allowed"),
    ("an escaped name", form(more="&quantit%79=5"), "query_not_canonical"),
    ("another request inside", form(more="&x=1 HTTP/1.1\r\n\r\nPOST /sapi"), "query_not_canonical"),
    ("borrowed money", form(more="&sideEffectType=MARGIN_BUY"), "field_not_allowed"),
    ("a withdrawal in its fields", form(more="&coin=BTC&address=x&amount=1"), "field_not_allowed"),
    ("a price far away", form(more=""), "mandate_price_band"),
]


@pytest.mark.parametrize(("what", "chunk", "code"), ORDERS, ids=[one[0] for one in ORDERS])
def test_other_orders_than_were_agreed(
    vault: Vault, exchange: Exchange, ben: dict[str, str], what: str, chunk: Chunk, code: str
) -> None:
    head = f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&price=99000&timestamp={now_ms()}".encode()
    chunk = chunk._replace(
        head=head if code == "mandate_price_band" else chunk.head[: -len(str(now_ms()))] + b"%d" % now_ms(),
        not_after_ms=now_ms() + 3_000,
    )
    with refused(vault, exchange, code):
        [result] = send(vault, chunk)

    assert (result.status, result.body) == (UNSENT, code.encode())


def test_ten_times_the_daily_notional_in_small_orders(vault: Vault, exchange: Exchange, ben: dict[str, str]) -> None:
    """One chunk with many rows, many chunks, many connections: 300 dollars a minute is what was agreed."""
    tails = [b"&quantity=0.001&newClientOrderId=d%d" % number for number in range(167)]
    rows = [Row(number, BEN.account, tail, BEN.subscription) for number, tail in enumerate(tails)]
    head = f"symbol=BTCUSDT&side=BUY&type=MARKET&recvWindow=5000&timestamp={now_ms()}".encode()

    results = send(vault, order_chunk([])._replace(head=head, rows=rows[:80]))
    results += send(vault, order_chunk([])._replace(head=head, rows=rows[80:]))

    assert sum(exchange.executed.values()) == 5  # of 60 dollars each
    assert [one.status for one in results].count(200) == 5
    assert {one.body for one in results if one.status != 200} == {b"mandate_minute_cap"}
    assert refusals(vault)["mandate_minute_cap"] == 162


def test_the_same_order_twice(vault: Vault, exchange: Exchange, ben: dict[str, str]) -> None:
    [first] = send(vault, form(ident="twice"))
    with refused(vault, exchange, "signed_already"):
        [second] = send(vault, form(ident="twice"))
    vault.signer.kill()
    vault.signer.wait()
    vault.start_signer()
    client = vault.client()
    client.open([(TENANT, BEN.account, ben, [sealed_mandate(BEN, **AGREED)])])
    client.close()
    vault.wait_for_prices()
    with refused(vault, exchange, "signed_already"):
        [third] = send(vault, form(ident="twice"))

    assert [first.status, second.body, third.body] == [200, b"signed_already", b"signed_already"]
    assert exchange.executed == {"twice": 1}


def test_the_same_frame_again(vault: Vault, exchange: Exchange, ben: dict[str, str]) -> None:
    chunk = form(ident="frame")
    frame = {
        "op": "send", "id": 1, "chunk": os.urandom(16), "reply": b"r" * 16, "urgent": False, "address": "",
        **{name: getattr(chunk, name) for name in (
            "venue", "market", "env", "method", "path", "head", "not_after_ms", "timeout_ms")},
        "rows": [list(row) for row in chunk.rows],
    }  # fmt: skip
    with Raw(vault, "egress") as hears, Raw(vault) as raw:
        hears.ask({"op": "hello", "id": 1, "reply": b"r" * 16})
        assert raw.ask(frame)["taken"] == 1
        while not exchange.executed:
            time.sleep(0.002)
        with refused(vault, exchange, "chunk_repeated"):
            assert raw.ask(frame)["code"] == "chunk_repeated"
        with refused(vault, exchange, "signed_already"):
            assert raw.ask(frame | {"chunk": os.urandom(16)})["refused"] == [[0, "signed_already"]]


def test_another_tenants_credential(vault: Vault, exchange: Exchange, ben: dict[str, str]) -> None:
    cleo = vault.enrol([CLEO], open_them=False)[CLEO.account]
    client = vault.client()

    with refused(vault, exchange, "envelope_refused"):
        assert client.open([(TENANT + 1, CLEO.account, cleo)]) == (0, [(CLEO.account, "envelope_refused")])
        assert client.open([(TENANT, BEN.account, cleo)]) == (0, [(BEN.account, "envelope_refused")])
    with refused(vault, exchange, "sealed_for_another"), pytest.raises(SignerRefused):
        key, _ = client.intake_key()
        client.enrol(tenant=TENANT, account=BEN.account, sealed=seal(key, CLEO, tenant=TENANT + 1))
    with refused(vault, exchange, "mandate_of_another"):
        # Cleo's account is opened as it may be, and traded under Ben's terms.
        assert client.open([(TENANT, CLEO.account, cleo)]) == (1, [])
        [result] = send(vault, form()._replace(rows=[Row(0, CLEO.account, form().rows[0][2], BEN.subscription)]))

    assert result.body == b"mandate_of_another"
    client.close()


def test_terms_of_its_own_making(vault: Vault, exchange: Exchange, ben: dict[str, str]) -> None:
    """It can read a mandate and cannot make one: the key is where terms are agreed."""
    wide = Caps(D(10**6), D(10**6), D(10**6), 125)
    honest = sealed_mandate(BEN, number=2, caps=wide)
    body = honest[:-32]
    client = vault.client()

    with refused(vault, exchange, "mandate_refused"):
        assert client.mandates([body + bytes(32), body, b"", msgpack.packb([1])]) == ["mandate_refused"] * 4
    client.mandates([sealed_mandate(BEN, number=3, **AGREED)])
    with refused(vault, exchange, "mandate_outdated"):
        assert client.mandates([honest]) == ["mandate_outdated"]  # wider terms of an earlier day
    with refused(vault, exchange, "mandate_order_cap"):
        [result] = send(vault, form(qty="0.002"))

    assert result.body == b"mandate_order_cap"
    client.close()


def test_prices_of_its_own_making(vault: Vault, exchange: Exchange, ben: dict[str, str]) -> None:
    """Prices are believed on the connection that the signer itself has made, and on no other."""
    cheap = {"op": "marks", "market": ["binance", "spot", "paper"], "prices": {"BTCUSDT": "1"}, "whole": True}
    with Raw(vault) as raw, Raw(vault, "egress") as egress:
        assert raw.ask(cheap | {"id": 1})["code"] == "unknown_op"
        assert egress.ask(cheap | {"id": 1})["code"] == "unknown_op"
        assert egress.ask({"op": "ended", "id": 1, "chunk": bytes(16), "rows": []})["code"] == "unknown_op"

    with refused(vault, exchange, "mandate_order_cap"):
        [result] = send(vault, form(qty="0.002"))
    assert result.body == b"mandate_order_cap"


@pytest.fixture
def decoyed(vault: Vault, ben: dict[str, str]) -> Iterator[decoys.Decoys]:
    client = vault.client()
    yield decoys.install(client)
    decoys.uninstall()
    client.close()


def test_a_cancel_all_dressed_as_a_read(vault: Vault, exchange: Exchange, decoyed: decoys.Decoys) -> None:
    """With the path unsigned, a read of a symbol's trades would be good for cancelling all its orders."""
    client = vault.client()
    payload = f"symbol=BTCUSDT&recvWindow=5000&timestamp={now_ms()}".encode()

    with refused(vault, exchange, "payload_not_allowed"), pytest.raises(SignerRefused):
        client.hmac(account=BEN.account, payload=payload)
    with refused(vault, exchange, "request_not_allowed"), pytest.raises(SignerRefused):
        carried(vault, decoyed, "DELETE", "https://api.binance.com/api/v3/openOrders", payload.decode())
    client.close()


def test_a_signed_query_on_another_path(vault: Vault, exchange: Exchange, decoyed: decoys.Decoys) -> None:
    """What ccxt is given for a read is no signature: the exchange refuses it, wherever it is sent."""
    exchange_class = ccxt.binance(decoyed.credentials(BEN.account))
    url = exchange_class.sign("myTrades", ["private"], "GET", {"symbol": "BTCUSDT"})["url"]
    query = urlsplit(url).query

    answer = exchange.take("POST", "/api/v3/order", {"x-mbx-apikey": BEN.api_key, "host": "api.binance.com"}, query)

    assert answer is not None and b"-1022" in answer
    assert exchange.executed == {}
    # Nor does the vault carry the promise to another path, host or set of fields than it was made for.
    before = exchange.requests.copy()
    for method, target, fields in (
        ("POST", "https://api.binance.com/sapi/v1/capital/withdraw/apply", query),
        ("GET", "https://evil.example/api/v3/myTrades", query),
        ("GET", "http://api.binance.com/api/v3/myTrades", query),
        ("GET", "https://api.binance.com/api/v3/myTrades", query.replace("BTCUSDT", "ETHUSDT")),
    ):
        decoyed._promises[query.rpartition("=")[2]] = decoys.Promise(
            BEN.account, query.rpartition("&signature=")[0].encode()
        )
        with pytest.raises(SignerRefused) as refusal:
            carried(vault, decoyed, method, target, fields, signed=True)
        assert refusal.value.code == "request_not_allowed"
    assert exchange.requests == before


def carried(vault: Vault, decoyed: decoys.Decoys, method: str, url: str, query: str, *, signed: bool = False) -> object:
    """A request as ccxt would have made it, given to the carrier."""
    if not signed:
        mark = BaseExchange.hmac(query.encode(), decoyed.of(BEN.account).encode())
        query = f"{query}&signature={mark}"

    async def run() -> object:
        sender = vault.sender()
        try:
            carrier = Carrier(decoys=decoyed, sender=sender)
            return await carrier.carry(environment="paper", method=method, url=f"{url}?{query}", body="")
        finally:
            await sender.close()

    return asyncio.run(run())


def test_an_order_through_the_reads(vault: Vault, exchange: Exchange, decoyed: decoys.Decoys) -> None:
    """The way for reads is looked at by the same rules: an order without a mandate is refused there as well."""
    query = f"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001&newClientOrderId=c&timestamp={now_ms()}"

    with refused(vault, exchange, "mandate_unknown"), pytest.raises(SignerRefused) as refusal:
        carried(vault, decoyed, "POST", "https://api.binance.com/api/v3/order", query)

    assert refusal.value.code == "mandate_unknown"


def test_a_read_is_carried(vault: Vault, exchange: Exchange, decoyed: decoys.Decoys) -> None:
    query = f"symbol=BTCUSDT&timestamp={now_ms()}"

    answer = carried(vault, decoyed, "GET", "https://api.binance.com/api/v3/myTrades", query)

    assert answer.status == 200  # type: ignore[attr-defined]
    assert exchange.requests == [("GET", "api.binance.com", "/api/v3/myTrades")]


def test_the_secret_is_not_in_what_a_worker_can_ask(vault: Vault, exchange: Exchange, ben: dict[str, str]) -> None:
    """Every operation there is, with everything it has: no answer holds the secret."""
    asked: list[dict[str, Any]] = [
        {"op": "ping"}, {"op": "stats"}, {"op": "intake_key"}, {"op": "public", "account": BEN.account},
        {"op": "open", "entries": [[TENANT, BEN.account, ben]]}, {"op": "forget", "accounts": [BEN.account]},
        {"op": "hmac", "account": BEN.account, "alg": "sha256", "payload": b"a=1"},
        {"op": "mandates", "sealed": [sealed_mandate(BEN, **AGREED)]},
        {"op": "enrol", "tenant": TENANT, "account": BEN.account, "sealed": b"x" * 100},
    ]  # fmt: skip
    with Raw(vault) as raw:
        answers = [raw.ask(message | {"id": 1}) for message in asked]
    told = msgpack.packb(answers) + json.dumps(repr(answers)).encode() + vault.log("signer").encode()

    assert BEN.secret.encode() not in told
    assert bytes.fromhex(BEN.secret) not in told
