"""What a row costs in the worker, the signer and the egress: `python -m citadel.signer.measure [--rows N] [--chunk N]`.

Starts both processes in a temporary directory, a bare asyncio exchange in a third, and prints CPU microseconds a row.
Nothing here is asserted; the figures are of this machine and this moment.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import UUID

import uvloop

from citadel.client import Chunk, ChunkSender, Result, Row, SignerClient
from citadel.sealing import seal

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n{"symbol":"BTCUSDT","status":"FILLED"}'


class _Seat(asyncio.Protocol):
    """Answers each request without reading more of it than its end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if b"&signature=" in data:
            self.transport.write(_ANSWER)  # type: ignore[attr-defined]


def _exchange(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Seat, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


@contextmanager
def _processes(directory: Path) -> Iterator[None]:
    here, there = multiprocessing.Pipe()
    exchange = multiprocessing.Process(target=_exchange, args=(there,), daemon=True)
    exchange.start()
    env = os.environ | {
        "OBSCURA_RUN": str(directory),
        "OBSCURA_ROOT_KEY": os.urandom(32).hex(),
        "OBSCURA_PAPER": f"127.0.0.1:{here.recv()}",
    }
    started = [
        subprocess.Popen([sys.executable, "-m", f"citadel.{name}"], env=env, stdout=subprocess.DEVNULL)
        for name in ("signer", "egress")
    ]
    try:
        while not all((directory / f"{name}.sock").exists() for name in ("signer", "egress")):
            time.sleep(0.01)
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()
        exchange.terminate()
        exchange.join()


def _accounts(client: SignerClient, n: int) -> list[bytes]:
    key, _ = client.intake_key()
    accounts = [UUID(int=number + 1).bytes for number in range(n)]
    for account in accounts:
        secret = hashlib.sha256(account).hexdigest()
        sealed = seal(intake=key, tenant=1, account=account, fields={"apiKey": secret, "secret": secret})
        envelopes, _ = client.enrol(tenant=1, account=account, sealed=sealed)
        client.open([(1, account, envelopes)])
    return accounts


def _chunks(accounts: list[bytes], size: int) -> list[Chunk]:
    now = int(time.time() * 1000)
    head = b"symbol=BTCUSDT&side=BUY&type=MARKET&newOrderRespType=FULL&recvWindow=5000&timestamp=%d" % now
    rows = [
        Row(n, account, b"&newClientOrderId=%032x&quantity=0.00123" % n) for n, account in enumerate(accounts)
    ]  # fmt: skip
    return [
        Chunk("binance", "spot", "paper", "POST", "/api/v3/order", head, rows[at : at + size], now + 10_000, 4_000)
        for at in range(0, len(rows), size)
    ]


async def _measure(directory: Path, rows: int, size: int, rounds: int) -> None:
    client, sender = SignerClient(run_dir=directory), ChunkSender(run_dir=directory)
    accounts = _accounts(client, rows)
    print("connections", await sender.warm(venue="binance", market="spot", env="paper", connections=96))
    figures: list[tuple[float, ...]] = []
    for _ in range(rounds):
        before = client.stats()["cpu_s"], (await sender.egress_stats())["cpu_s"]
        chunks = _chunks(accounts, size)
        cpu, wall = time.process_time(), time.perf_counter()
        results: list[list[Result]] = await asyncio.gather(*(sender.send(chunk) for chunk in chunks))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        assert all(result.status == 200 for part in results for result in part)
        after = client.stats()["cpu_s"], (await sender.egress_stats())["cpu_s"]
        figures.append((cpu, after[0] - before[0], after[1] - before[1], wall))
    worker, signer, egress, wall = (statistics.median(column) for column in zip(*figures, strict=True))
    print(f"{rows} rows in chunks of {size}, median of {rounds}: worker {worker / rows * 1e6:.1f} us, ", end="")
    print(f"signer {signer / rows * 1e6:.1f} us, egress {egress / rows * 1e6:.1f} us of CPU a row; ", end="")
    print(f"all answered after {wall * 1e3:.1f} ms")
    await sender.close()
    client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--chunk", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="obscura-") as name, _processes(Path(name)):
        uvloop.run(_measure(Path(name), options.rows, options.chunk, options.rounds))


if __name__ == "__main__":
    main()
