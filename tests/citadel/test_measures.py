"""What signer and egress count of their own work is what they did."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from citadel.client import Chunk, Row, SignerClient, SignerRefused
from citadel.questions import EgressClient, OutOfReach
from tests.citadel.support import BEN, CLEO, Exchange, Vault, now_ms, order_chunk
from tests.citadel.test_unread import DIGEST, FIELDS, USE, opened, permit, signed


def send(vault: Vault, *chunks: Chunk) -> None:
    async def run() -> None:
        sender = vault.sender()
        for chunk in chunks:
            await sender.send(chunk)
        await sender.close()

    asyncio.run(run())


def ends(vault: Vault, route: str = "binance:spot:paper") -> dict[str, Any]:
    """How requests of a route ended; it has none before there was one."""
    client = EgressClient(run_dir=vault.directory)
    found = client.stats()["pools"].get(route, {"answered": 0, "silent": 0, "unsent": 0, "took": [], "answers_ms": 0})
    client.close()
    return found


def read(market: str = "spot") -> Chunk:
    path = {"spot": "/api/v3/order", "usdm": "/fapi/v1/order"}[market]
    head = b"symbol=BTCUSDT&timestamp=%d" % now_ms()
    rows = [Row(0, BEN.account, b"&origClientOrderId=o0")]
    return order_chunk([BEN])._replace(method="GET", market=market, path=path, head=head, rows=rows)


def test_signatures_are_told_by_kind_and_what_was_refused_is_none(vault: Vault) -> None:
    vault.enrol([BEN])
    client = vault.client()
    before = client.stats()
    bad = order_chunk([BEN], first=1)._replace(rows=[Row(9, BEN.account, b"&newClientOrderId=o9&quantity=0", 2)])
    send(vault, order_chunk([BEN, CLEO]), bad, read(), read("usdm"))
    payload = b"apiKey=%s&recvWindow=5000&timestamp=%d" % (BEN.api_key.encode(), now_ms())
    client.hmac(account=BEN.account, payload=payload)

    stats = client.stats()

    assert before["signed"] == []
    assert sorted(stats["signed"]) == [["order", "binance", 1], ["payload", "binance", 1], ["read", "binance", 2]]
    assert sum(stats["signing"]["buckets"]) == 4
    assert stats["signing"]["took_us"] > 0
    assert before["started_ms"] == stats["started_ms"] <= now_ms()
    client.close()


def test_a_request_that_is_not_allowed_is_no_chunk(quiet_vault: Vault) -> None:
    client = quiet_vault.client()
    before = client.stats()
    with pytest.raises(SignerRefused):
        client.hmac(account=BEN.account, payload=b"asset=BTC&address=elsewhere&timestamp=%d" % now_ms())
    send(quiet_vault, order_chunk([BEN])._replace(path="/sapi/v1/capital/withdraw/apply"))

    after = client.stats()

    assert after["signed"] == before["signed"] == []
    assert after["signing"] == before["signing"]
    assert sum(after["refusals"].values()) == sum(before["refusals"].values()) + 2
    client.close()


def test_a_route_tells_how_its_requests_ended(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN, CLEO])
    before = ends(vault)
    send(vault, order_chunk([BEN, CLEO]))
    exchange.hold.set()
    send(vault, order_chunk([BEN], first=7, timeout_ms=100))
    exchange.hold.clear()

    after = ends(vault)

    assert after["silent"] - before["silent"] == 1
    assert after["unsent"] == before["unsent"]
    assert after["answered"] - before["answered"] >= 2  # and what was asked of prices meanwhile
    assert sum(after["took"]) == after["answered"]


def test_what_is_too_late_counts_as_unsent_and_took_nothing(vault: Vault) -> None:
    vault.enrol([BEN])
    before = ends(vault)
    send(vault, order_chunk([BEN], life_ms=-1))

    after = ends(vault)

    assert after["unsent"] - before["unsent"] == 1
    assert sum(after["took"]) == after["answered"]


def test_no_web_process_asks_the_egress(monkeypatch: pytest.MonkeyPatch, quiet_vault: Vault) -> None:
    monkeypatch.setenv("OBSCURA_ROLE", "web")

    with pytest.raises(OutOfReach):
        EgressClient(run_dir=quiet_vault.directory)


def test_unread_signatures_are_told_by_exchange(vault: Vault) -> None:
    client: SignerClient = vault.client()
    assert opened(client, "derive", FIELDS, permit()) == []
    signed(client, USE, *DIGEST)

    assert client.stats()["signed"] == [["unread", "derive", 1]]
    client.close()
