"""Signing through Citadel: one by one, orders in chunks, and an order that the worker or the vault itself sends.

Starts a signer, an egress and a bare exchange in a directory that is thrown away. Nothing else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop

from citadel.client import Chunk, ChunkSender, Result, Row, SignerClient
from citadel.domain.mandate import Caps, Mandate, seal
from citadel.sealing import seal as seal_box
from obscura.core.wire import Answer, Pool

SECONDS = 1.5
ACCOUNTS = 1_000
CHUNK = 250
ROUNDS = 9
SINGLE = 400

_FILLED = b'{"symbol":"BTCUSDT","status":"FILLED"}'
_PRICES = b'[{"symbol":"BTCUSDT","price":"60000"}]'


def parser(add: Any) -> None:
    """The options of `bench signer`."""
    one: argparse.ArgumentParser = add.add_parser("signer", help=__doc__)
    one.add_argument("--json", action="store_true", help="the figures alone, as one JSON object on the last line")


def run(asked: argparse.Namespace) -> int:
    """Measure, and print the figures."""
    with tempfile.TemporaryDirectory(prefix="obscura-") as name, _processes(Path(name)) as (root, port):
        figures = _figures(Path(name), root, port)
    if not asked.json:
        for what, value in figures.items():
            print(f"{what:<20} {value}", flush=True)
    print(json.dumps(figures), flush=True)
    return 0


def _figures(folder: Path, key: bytes, port: int) -> dict[str, float]:
    client = SignerClient(run_dir=folder)
    accounts = _open(client, key)
    alone = _one_by_one(folder, accounts[0])
    with multiprocessing.Pool(2) as pool:
        both = pool.starmap(_one_by_one, [(folder, account) for account in accounts[:2]])
    chunks = uvloop.run(_in_chunks(folder, accounts, client))
    ways = uvloop.run(_both_ways(folder, accounts[0], port))
    client.close()
    return {
        "p50_ms": round(statistics.median(alone) * 1e3, 4),
        "p99_ms": round(statistics.quantiles(alone, n=100)[98] * 1e3, 4),
        "per_s": round(len(alone) / SECONDS),
        "per_s_two_clients": round(sum(map(len, both)) / SECONDS),
        **chunks,
        **ways,
    }


# -- one after the other -------------------------------------------------------------------------------------------


def _one_by_one(folder: Path, account: bytes) -> list[float]:
    """Seconds each of the signatures took that a worker asked for in `SECONDS`, waiting for each."""
    client = SignerClient(run_dir=folder)
    api_key = client.public(account)
    took: list[float] = []
    until = time.perf_counter() + SECONDS
    while (began := time.perf_counter()) < until:
        payload = b"apiKey=%b&recvWindow=5000&timestamp=%d" % (api_key.encode(), int(time.time() * 1000))
        client.hmac(account=account, payload=payload)
        took.append(time.perf_counter() - began)
    client.close()
    return took


# -- in chunks -----------------------------------------------------------------------------------------------------


async def _in_chunks(folder: Path, accounts: list[bytes], client: SignerClient) -> dict[str, float]:
    """What an order costs in each process, and how many are answered in a second, all checks on."""
    sender = ChunkSender(run_dir=folder)
    await sender.warm(venue="binance", market="spot", env="paper", connections=96)
    figures: list[tuple[float, ...]] = []
    for number in range(ROUNDS):
        before = client.stats()["cpu_s"], (await sender.egress_stats())["cpu_s"]
        chunks = _chunks(accounts, number)
        cpu, wall = time.process_time(), time.perf_counter()
        results: list[list[Result]] = await asyncio.gather(*map(sender.send, chunks))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if any(result.status != 200 for part in results for result in part):
            raise RuntimeError("an order of the benchmark was not answered")
        after = client.stats()["cpu_s"], (await sender.egress_stats())["cpu_s"]
        figures.append((cpu, after[0] - before[0], after[1] - before[1], wall))
    await sender.close()
    worker, signer, egress, wall = (statistics.median(column) for column in zip(*figures, strict=True))
    per = 1e6 / len(accounts)
    return {
        "worker_us": round(worker * per, 1),
        "signer_us": round(signer * per, 1),
        "egress_us": round(egress * per, 1),
        "orders_per_s": round(len(accounts) / wall),
        "signed_per_s": round(len(accounts) / signer),
    }


def _chunks(accounts: list[bytes], number: int) -> list[Chunk]:
    now = int(time.time() * 1000)
    head = b"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&price=60100&newOrderRespType=FULL&recvWindow=5000"
    rows = [
        Row(n, account, b"&quantity=0.00123&newClientOrderId=%032x&timestamp=%d" % (number << 32 | n, now), n + 1)
        for n, account in enumerate(accounts)
    ]
    return [
        Chunk("binance", "spot", "paper", "POST", "/api/v3/order", head, rows[at : at + CHUNK], now + 3_000, 4_000)
        for at in range(0, len(rows), CHUNK)
    ]


# -- who sends it --------------------------------------------------------------------------------------------------


async def _both_ways(folder: Path, account: bytes, port: int) -> dict[str, float]:
    """The milliseconds of one order: signed for the worker, who sends it; and signed and sent by the vault.

    The first is measured with a signature of the one form that is given out. Binance signs neither path nor method, so
    the signature of an order never is.
    """
    client, sender = SignerClient(run_dir=folder), ChunkSender(run_dir=folder)
    pool = Pool(host="127.0.0.1", port=port, size=4)
    api_key = client.public(account).encode()
    loop = asyncio.get_running_loop()
    by_worker, by_vault = [], []
    for number in range(SINGLE):
        began = time.perf_counter()
        payload = b"apiKey=%b&recvWindow=5000&timestamp=%d" % (api_key, int(time.time() * 1000))
        query = payload + b"&signature=" + client.hmac(account=account, payload=payload).hex().encode()
        heard: asyncio.Future[Answer] = loop.create_future()
        request = b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(query), query)
        pool.submit(request, heard.set_result, timeout=4)
        await heard
        by_worker.append(time.perf_counter() - began)
        began = time.perf_counter()
        chunk = _chunks([account], 1_000 + number)[0]
        [result] = await sender.send(chunk)
        if result.status != 200:
            raise RuntimeError("an order of the benchmark was not answered")
        by_vault.append(time.perf_counter() - began)
    await pool.close()
    await sender.close()
    client.close()
    return {
        "sent_by_worker_ms": round(statistics.median(by_worker) * 1e3, 3),
        "sent_by_vault_ms": round(statistics.median(by_vault) * 1e3, 3),
    }


# -- the processes -------------------------------------------------------------------------------------------------


class _Seat(asyncio.Protocol):
    """A bare exchange: answers each request without reading more of it than its end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        body = _PRICES if data.startswith(b"GET") else _FILLED
        self.transport.write(  # type: ignore[attr-defined]
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )


def _exchange(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Seat, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


@contextlib.contextmanager
def _processes(folder: Path) -> Iterator[tuple[bytes, int]]:
    """The key that mandates are sealed with, and the exchange's port."""
    here, there = multiprocessing.Pipe()
    exchange = multiprocessing.Process(target=_exchange, args=(there,), daemon=True)
    exchange.start()
    port, key = here.recv(), os.urandom(32)
    env = os.environ | {
        "OBSCURA_RUN": str(folder),
        "OBSCURA_SIGNER_STATE": str(folder / "vault"),
        "OBSCURA_ROOT_KEY": os.urandom(32).hex(),
        "OBSCURA_MANDATE_KEY": key.hex(),
        "OBSCURA_PAPER": f"127.0.0.1:{port}",
        "OBSCURA_ACCOUNT_CAPS": "1000000,1000000000,1000000000,20",
    }
    started = [
        subprocess.Popen([sys.executable, "-m", f"citadel.{name}"], env=env, stdout=subprocess.DEVNULL)
        for name in ("signer", "egress")
    ]
    try:
        while not all((folder / f"{name}.sock").exists() for name in ("signer", "egress")):
            time.sleep(0.01)
        yield key, port
    finally:
        for process in started:
            process.terminate()
            process.wait()
        exchange.terminate()
        exchange.join()


def _open(client: SignerClient, key: bytes) -> list[bytes]:
    """Accounts, each with a mandate that lets every order of the benchmark through."""
    intake, _ = client.intake_key()
    accounts = [UUID(int=number + 1).bytes for number in range(ACCOUNTS)]
    for number, account in enumerate(accounts):
        secret = hashlib.sha256(account).hexdigest()
        sealed = seal_box(intake=intake, tenant=1, account=account, fields={"apiKey": secret, "secret": secret})
        envelopes, _ = client.enrol(tenant=1, account=account, sealed=sealed)
        client.open([(1, account, envelopes, [seal(_mandate(number + 1, account), key=key)])])
    while not client.stats()["marks"]:
        time.sleep(0.01)
    return accounts


def _mandate(subscription: int, account: bytes) -> Mandate:
    return Mandate(
        tenant=1,
        subscription=subscription,
        account=account,
        number=1,
        exchange="binance",
        environment="paper",
        opens=True,
        caps=Caps(Decimal(1_000), Decimal(10**9), Decimal(10**9), 20),
        band_bps=500,
        max_loss_usd=Decimal(10**9),
    )
