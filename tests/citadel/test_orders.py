"""Chunks of orders through the real signer and egress to a peer that checks every signature."""

from __future__ import annotations

import asyncio
import threading

import pytest

from citadel.client import SILENCE, UNSENT, Chunk, ChunkSender, Result, Row
from tests.citadel.conftest import CROWD
from tests.citadel.support import BEN, CLEO, PRICES_FROM, Exchange, Vault, now_ms, order_chunk, sealed_mandate, until


def send(vault: Vault, *chunks: Chunk) -> list[list[Result]]:
    async def run() -> list[list[Result]]:
        sender = vault.sender()
        try:
            return await asyncio.gather(*(sender.send(chunk) for chunk in chunks))
        finally:
            await sender.close()

    return asyncio.run(run())


def test_every_row_of_a_chunk_is_signed_with_its_own_key_and_executed_once(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN, CLEO])

    [results] = send(vault, order_chunk([BEN, CLEO]))

    assert sorted((result.row, result.status) for result in results) == [(0, 200), (1, 200)]
    assert all(b"FILLED" in result.body and 0 < result.sent_ms <= result.done_ms for result in results)
    assert exchange.executed == {"o0": 1, "o1": 1}
    assert exchange.requests == [("POST", "api.binance.com", "/api/v3/order")] * 2
    assert exchange.refused == 0


def test_a_read_carries_its_query_in_the_target(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN])
    read = order_chunk([BEN])._replace(
        method="GET",
        market="usdm",
        path="/fapi/v1/order",
        head=b"symbol=BTCUSDT&timestamp=%d" % now_ms(),
        rows=[Row(0, BEN.account, b"&origClientOrderId=o0")],
    )

    [results] = send(vault, read)

    assert [result.status for result in results] == [200]
    assert exchange.requests == [("GET", "fapi.binance.com", "/fapi/v1/order")]


def test_rows_of_accounts_that_are_not_open_are_not_sent_and_may_be_sent_again(
    vault: Vault, exchange: Exchange
) -> None:
    vault.enrol([BEN])
    envelopes = vault.enrol([CLEO], open_them=False)

    async def run() -> tuple[list[Result], list[Result]]:
        sender = vault.sender()
        first = await sender.send(order_chunk([BEN, CLEO]))
        assert await sender.open([(7, CLEO.account, envelopes[CLEO.account], [sealed_mandate(CLEO)])]) == []
        again = await sender.send(order_chunk([CLEO], first=1))
        await sender.close()
        return first, again

    first, again = asyncio.run(run())

    assert sorted((result.row, result.status, result.body[:15]) for result in first) == [
        (0, 200, b'{"symbol":"BTCU'),
        (1, UNSENT, b"unknown_account"),
    ]
    assert [(result.row, result.status) for result in again] == [(1, 200)]
    assert exchange.executed == {"o0": 1, "o1": 1}


def test_a_hundred_accounts_in_concurrent_chunks_lose_and_repeat_nothing(vault: Vault, exchange: Exchange) -> None:
    vault.enrol(CROWD)
    chunks = [order_chunk(CROWD, first=100 * number) for number in range(10)]

    answers = send(vault, *chunks)

    assert [sorted(result.row for result in results) for results in answers] == [
        list(range(100 * number, 100 * number + 100)) for number in range(10)
    ]
    assert {result.status for results in answers for result in results} == {200}
    assert len(exchange.executed) == 1000 and set(exchange.executed.values()) == {1}
    assert exchange.refused == 0


def test_results_are_handed_over_as_they_arrive(vault: Vault) -> None:
    vault.enrol(CROWD)
    seen: list[Result] = []

    async def run() -> list[Result]:
        sender = vault.sender()
        results = await sender.send(order_chunk(CROWD), on_results=seen.extend)
        await sender.close()
        return results

    assert asyncio.run(run()) == seen
    assert len(seen) == 100


def test_the_sender_works_from_a_loop_in_a_daemon_thread(vault: Vault) -> None:
    vault.enrol([BEN])
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def make() -> ChunkSender:
        return vault.sender()

    sender = asyncio.run_coroutine_threadsafe(make(), loop).result(5)
    results = asyncio.run_coroutine_threadsafe(sender.send(order_chunk([BEN])), loop).result(5)
    asyncio.run_coroutine_threadsafe(sender.close(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

    assert [(result.row, result.status) for result in results] == [(0, 200)]


def test_headers_of_interest_come_with_the_answer_and_others_do_not(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN])
    exchange.answer_headers = "Retry-After: 3\r\nX-MBX-USED-WEIGHT-1M: 17\r\nServer: nginx\r\n"

    [[result]] = send(vault, order_chunk([BEN]))

    assert result.headers == {"retry-after": "3", "x-mbx-used-weight-1m": "17"}


def test_a_chunk_that_is_too_late_leaves_nothing_behind(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN])

    [[result]] = send(vault, order_chunk([BEN])._replace(not_after_ms=now_ms() - 1))

    assert (result.status, result.body) == (UNSENT, b"too_late")
    assert exchange.executed == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"path": "/sapi/v1/capital/withdraw/apply"}, b"request_not_allowed"),
        ({"path": "/sapi/v1/asset/transfer"}, b"request_not_allowed"),
        ({"path": "/api/v3/order/../account"}, b"request_not_allowed"),
        ({"method": "PUT"}, b"request_not_allowed"),
        ({"market": "margin"}, b"venue_unknown"),
        ({"env": "test"}, b"environment_unknown"),
        ({"head": b"symbol=BTCUSDT HTTP/1.1\r\nX: y"}, b"query_not_canonical"),
        ({"head": b"symbol=BTCUSDT&signature=00"}, b"field_not_allowed"),
        ({"timeout_ms": 0}, b"bad_fields"),
    ],
)
def test_what_is_not_allowed_is_refused_and_not_sent(
    quiet_vault: Vault, change: dict[str, object], code: bytes
) -> None:
    [[result]] = send(quiet_vault, order_chunk([BEN])._replace(**change))

    assert (result.status, result.body, result.sent_ms) == (UNSENT, code, 0)


def test_silence_of_the_exchange_is_reported_as_silence(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN, CLEO])
    exchange.hold.set()

    [results] = send(vault, order_chunk([BEN, CLEO], timeout_ms=100))

    assert [(result.status, result.body) for result in results] == [(SILENCE, b"timeout")] * 2
    assert exchange.executed == {"o0": 1, "o1": 1}


def test_a_dropped_connection_is_silence_and_the_next_order_goes_through(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN])
    exchange.hold.set()

    async def run() -> tuple[list[Result], list[Result]]:
        sender = vault.sender()
        sending = asyncio.create_task(sender.send(order_chunk([BEN])))
        await until(lambda: exchange.executed)
        exchange.drop_connections()
        first = await sending
        exchange.hold.clear()
        second = await sender.send(order_chunk([BEN], first=1))
        await sender.close()
        return first, second

    first, second = asyncio.run(run())

    assert [(result.status, result.body) for result in first] == [(SILENCE, b"connection_lost")]
    assert [result.status for result in second] == [200]
    assert exchange.executed == {"o0": 1, "o1": 1}


def test_an_urgent_chunk_overtakes_one_that_waits_for_connections(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN, *CROWD])
    vault.egress.terminate()
    vault.egress.wait()
    vault.start_egress(OBSCURA_EGRESS_CONNECTIONS="1")
    exchange.hold.set()

    async def run() -> tuple[list[Result], list[Result]]:
        sender = vault.sender()
        crowd = asyncio.create_task(sender.send(order_chunk(CROWD, timeout_ms=300)))
        await until(lambda: exchange.executed)
        close = asyncio.create_task(sender.send(order_chunk([BEN], first=500)._replace(urgent=True)))
        for _ in range(100):
            if (await sender.egress_stats())["pools"]["binance:spot:paper"]["waiting"] == 100:
                break
            await asyncio.sleep(0.002)
        exchange.hold.clear()
        both = await crowd, await close
        await sender.close()
        return both

    crowd, [close] = asyncio.run(run())

    assert close.status == 200
    assert min(result.done_ms for result in crowd if result.status == 200) >= close.done_ms
    assert [result.row for result in crowd if result.status != 200] == [0]


def test_no_venue_behind_the_address_means_nothing_was_sent(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN])
    vault.egress.terminate()
    vault.egress.wait()
    vault.start_egress(OBSCURA_PAPER="127.0.0.1:9")

    [[result]] = send(vault, order_chunk([BEN]))

    assert (result.status, result.body) == (UNSENT, b"connect_failed")


def test_a_row_number_twice_in_a_chunk_is_an_error_of_the_caller(vault: Vault) -> None:
    chunk = order_chunk([BEN, CLEO])
    twice = chunk._replace(rows=[chunk.rows[0], chunk.rows[0]])

    with pytest.raises(ValueError, match="twice"):
        send(vault, twice)


def test_a_chunk_leaves_from_the_address_it_names_and_from_no_other(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN, CLEO])
    assert vault.egress is not None
    vault.egress.terminate()
    vault.egress.wait()
    vault.start_egress(OBSCURA_EGRESS_ADDRESSES="127.0.0.1, 127.0.0.2")

    [first], [second], [unnamed], [unknown] = send(
        vault,
        order_chunk([BEN])._replace(address="127.0.0.1"),
        order_chunk([CLEO], first=1)._replace(address="127.0.0.2"),
        order_chunk([BEN], first=2),
        order_chunk([BEN], first=3)._replace(address="127.0.0.3"),
    )

    assert [one.status for one in (first, second, unnamed)] == [200, 200, 200]
    assert sorted(exchange.peers) == ["127.0.0.1", "127.0.0.1", "127.0.0.2"]
    assert (unknown.status, unknown.body) == (UNSENT, b"no_route")
    assert exchange.executed == {"o0": 1, "o1": 1, "o2": 1}


def test_pools_are_counted_by_address(vault: Vault) -> None:
    assert vault.egress is not None
    vault.egress.terminate()
    vault.egress.wait()
    vault.start_egress(OBSCURA_EGRESS_ADDRESSES="127.0.0.1,127.0.0.2")

    async def run() -> list[str]:
        sender = vault.sender()
        where = {"venue": "binance", "market": "spot", "env": "paper", "connections": 1}
        assert [await sender.warm(**where), await sender.warm(**where, address="127.0.0.2")] == [1, 1]
        pools = (await sender.egress_stats())["pools"]
        await sender.close()
        return sorted(pools)

    assert [pool for pool in asyncio.run(run()) if PRICES_FROM not in pool] == [
        "binance:spot:paper",
        "binance:spot:paper:127.0.0.2",
    ]
