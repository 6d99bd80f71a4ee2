"""Processes die in the middle of a chunk: every row is accounted for, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import random
import signal
import time

import pytest

from citadel.client import SILENCE, UNSENT, Chunk, ChunkSender, Result
from tests.citadel.conftest import CROWD
from tests.citadel.support import BEN, CLEO, Exchange, Vault, egress_says, order_chunk, sealed_mandate, until


def check(exchange: Exchange, chunk: Chunk, results: list[Result]) -> None:
    """What law says of any chunk, whatever happened to it."""
    assert sorted(result.row for result in results) == sorted(row[0] for row in chunk.rows)
    for result in results:
        times = exchange.executed[f"o{result.row}"]
        assert times <= 1
        if result.status > 0:
            assert times == 1
        if result.status == UNSENT:
            assert times == 0


def test_the_egress_is_killed_while_orders_are_out(vault: Vault, exchange: Exchange) -> None:
    vault.enrol(CROWD)
    exchange.hold.set()
    chunk = order_chunk(CROWD)

    async def run() -> tuple[list[Result], list[Result]]:
        sender = vault.sender()
        sending = asyncio.create_task(sender.send(chunk))
        await until(lambda: len(exchange.executed) >= 50)
        vault.egress.kill()
        first = await sending
        exchange.hold.clear()
        vault.start_egress()
        second = await sender.send(order_chunk([BEN], first=500))
        await sender.close()
        return first, second

    vault.enrol([BEN])
    first, second = asyncio.run(run())

    check(exchange, chunk, first)
    assert {(result.status, result.body) for result in first} == {(SILENCE, b"egress_lost")}
    assert [result.status for result in second] == [200]


def test_the_signer_is_killed_before_it_read_the_chunk(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN, CLEO])
    chunk = order_chunk([BEN, CLEO])

    async def run() -> list[Result]:
        sender = vault.sender(grace=0.05)
        await sender.send(order_chunk([BEN], first=10))
        vault.signer.send_signal(signal.SIGSTOP)
        sending = asyncio.create_task(sender.send(chunk))
        await asyncio.sleep(0.02)
        vault.signer.kill()
        results = await sending
        await sender.close()
        return results

    results = asyncio.run(run())

    check(exchange, chunk, results)
    assert {(result.status, result.body) for result in results} == {(SILENCE, b"signer_lost")}
    assert exchange.executed == {"o10": 1}


def test_without_a_signer_rows_are_certainly_unsent_and_a_restart_is_the_whole_recovery(
    vault: Vault, exchange: Exchange
) -> None:
    envelopes = vault.enrol([BEN])

    async def run() -> tuple[list[Result], list[Result], list[Result]]:
        sender = vault.sender()
        vault.signer.kill()
        vault.signer.wait()
        none = await sender.send(order_chunk([BEN]))
        vault.start_signer()
        closed = await sender.send(order_chunk([BEN]))
        await sender.open([(7, BEN.account, envelopes[BEN.account], [sealed_mandate(BEN)])])
        vault.wait_for_prices()
        done = await sender.send(order_chunk([BEN]))
        await sender.close()
        return none, closed, done

    none, closed, done = asyncio.run(run())

    assert [(result.status, result.body) for result in none] == [(UNSENT, b"signer_unavailable")]
    assert [(result.status, result.body) for result in closed] == [(UNSENT, b"unknown_account")]
    assert [result.status for result in done] == [200]
    assert exchange.executed == {"o0": 1}


def test_without_an_egress_rows_are_certainly_unsent(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN])
    vault.egress.kill()
    vault.egress.wait()

    heard: list[Result] = []

    async def run() -> list[Result]:
        sender = vault.sender()
        results = await sender.send(order_chunk([BEN]), on_results=heard.extend)
        assert heard == results, "whoever sends again must know by now what to send"
        await sender.close()
        return results

    assert [(result.status, result.body) for result in asyncio.run(run())] == [(UNSENT, b"egress_unavailable")]
    assert exchange.executed == {}


def test_a_frozen_egress_ends_in_answers_too_and_sends_nothing_stale_when_it_thaws(
    vault: Vault, exchange: Exchange
) -> None:
    vault.enrol(CROWD)
    chunks: list[Chunk] = []
    answers: list[list[Result]] = []

    def sale(first: int) -> Chunk:
        chunk = order_chunk(CROWD, first=first, life_ms=400, timeout_ms=100)
        return chunk._replace(head=chunk.head.replace(b"side=BUY", b"side=SELL"))

    async def run() -> None:
        sender = vault.sender(slack=0.1)
        await sender.open([])
        await sender.egress_stats()
        vault.egress.send_signal(signal.SIGSTOP)
        # Until what the signer can write without being read is full: a busy machine needs more than one round.
        # They sell, as an open would be refused as soon as prices are too old, and nobody tells new ones.
        while not any(result.status == UNSENT for results in answers for result in results):
            first = 100 * len(chunks)
            fresh = [sale(first + 100 * n) for n in range(60)]
            chunks.extend(fresh)
            answers.extend(await asyncio.gather(*(sender.send(chunk) for chunk in fresh)))
        vault.egress.send_signal(signal.SIGCONT)
        # The signer's connection is another than this one: when its chunks are read nobody has promised.
        await egress_says(sender, lambda stats: stats["unsent"] == stats["counts"].get("chunks", 0) * 100 > 0)
        await sender.close()

    asyncio.run(run())

    for chunk, results in zip(chunks, answers, strict=True):
        check(exchange, chunk, results)
    endings = {(result.status, result.body) for results in answers for result in results}
    assert endings == {(SILENCE, b"deadline"), (UNSENT, b"egress_unavailable")}
    assert exchange.executed == {}


def test_a_worker_that_vanishes_costs_its_results_and_nothing_else(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN, CLEO])
    exchange.hold.set()

    async def run() -> tuple[list[Result], list[Result]]:
        leaving, staying = vault.sender(), vault.sender()
        await staying.egress_stats()
        sending = asyncio.create_task(leaving.send(order_chunk([BEN, CLEO], timeout_ms=30_000)))
        await until(lambda: len(exchange.executed) == 2)
        await leaving.close()
        await egress_says(staying, lambda stats: stats["hearers"] == 1)
        exchange.hold.clear()
        exchange.drop_connections()  # what nobody waits for any more ends now
        await egress_says(staying, lambda stats: stats["dropped"] == 2)
        lost, kept = await sending, await staying.send(order_chunk([BEN], first=5))
        await staying.close()
        return lost, kept

    lost, kept = asyncio.run(run())

    assert {(result.status, result.body) for result in lost} == {(SILENCE, b"egress_lost")}
    assert [result.status for result in kept] == [200]
    assert exchange.executed == {"o0": 1, "o1": 1, "o5": 1}


@pytest.mark.parametrize("victim", ["signer", "egress"])
def test_killed_at_any_moment(vault: Vault, exchange: Exchange, victim: str) -> None:
    envelopes = vault.enrol(CROWD)
    entries = [(7, account, sealed) for account, sealed in envelopes.items()]
    draw = random.Random(victim)
    chunks: list[tuple[Chunk, list[Result]]] = []

    async def keep_sending(sender: ChunkSender, stop: asyncio.Event, first: int) -> None:
        number = first
        while not stop.is_set():
            chunk = order_chunk(CROWD, first=100 * number)
            number += 1
            results = await sender.send(chunk)
            chunks.append((chunk, results))
            if results[0].status == UNSENT:
                await asyncio.sleep(0.01)

    async def run() -> None:
        sender, stop = vault.sender(grace=0.05), asyncio.Event()
        lanes = [asyncio.create_task(keep_sending(sender, stop, 100_000 * lane)) for lane in range(3)]
        for _ in range(4):
            await asyncio.sleep(0.03 + draw.random() * 0.02)
            getattr(vault, victim).kill()
            await asyncio.to_thread(getattr(vault, f"start_{victim}"))
            await sender.open(entries)
        await until(lambda: any(result.status == 200 for _, results in chunks for result in results))
        stop.set()
        await asyncio.gather(*lanes)
        await sender.close()

    asyncio.run(run())
    time.sleep(0.05)

    for chunk, results in chunks:
        check(exchange, chunk, results)
    endings = {result.status for _, results in chunks for result in results}
    assert 200 in endings and exchange.refused == 0
    assert set(exchange.executed.values()) == {1}
