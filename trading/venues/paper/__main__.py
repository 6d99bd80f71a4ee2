"""`python -m trading.venues.paper`: open the venue and keep it open until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from .certificates import ensure
from .control import Control
from .door import Door
from .exchange import Exchange
from .hub import Hub
from .market.capture import Capture
from .market.live import Live
from .market.synthetic import Synthetic
from .symbols import load
from .tape import Tape

Address = tuple[str, int]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def address(text: str) -> Address:
    """`HOST:PORT`; port 0 takes a free one, which the ready line names."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m trading.venues.paper", description=__doc__)
    parser.add_argument("--http", type=address, required=True, help="HOST:PORT, plain HTTP and WebSocket")
    parser.add_argument("--tls", type=address, help="HOST:PORT, the same over TLS")
    parser.add_argument("--control", type=address, required=True, help="HOST:PORT on loopback")
    parser.add_argument("--dir", type=Path, required=True, help="folder of the journal")
    parser.add_argument("--cert", type=Path, help="PEM; made in --dir/tls when not given")
    parser.add_argument("--key", type=Path, help="PEM")
    parser.add_argument("--market", choices=("capture", "synthetic", "live"), default="synthetic")
    parser.add_argument("--data", type=Path, help="folder of recorded data (OBSCURA_DATA)")
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic market")
    parser.add_argument("--upstream", help="http://HOST:PORT of a venue to follow in place of the real one (live)")
    parser.add_argument("--rate-limits", choices=("binance", "off"), default="binance")
    asked = parser.parse_args(argv)
    if asked.control[0] not in LOOPBACK:
        parser.error("--control must be on loopback: it opens accounts and reads none of their passwords")
    if asked.market == "capture" and not asked.data:
        parser.error("--market capture needs --data")
    if bool(asked.cert) != bool(asked.key):
        parser.error("--cert and --key go together")
    return asked


def source_of(asked: argparse.Namespace, tape: Tape) -> Any:
    if asked.market == "capture":
        return Capture(tape, asked.data)
    if asked.market == "live":
        return Live(tape, upstream=asked.upstream)
    return Synthetic(tape, asked.seed)


def tls_context(asked: argparse.Namespace) -> ssl.SSLContext:
    if not asked.cert:
        made = ensure(asked.dir / "tls")
        asked.cert, asked.key = made.certificate, made.key
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(asked.cert, asked.key)
    return context


async def run(asked: argparse.Namespace) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    enforced = asked.rate_limits == "binance"
    exchange, hub = Exchange(symbols=load(asked.data), folder=asked.dir, enforced=enforced), Hub()
    tape = Tape(exchange, hub)
    source = source_of(asked, tape)
    exchange.source = source.name
    door = Door(exchange, tape, hub)
    control = Control(door, source)
    servers = [await loop.create_server(door.connection, *asked.http, backlog=4096)]
    if asked.tls:
        servers.append(await loop.create_server(door.connection, *asked.tls, ssl=tls_context(asked), backlog=4096))
    servers.append(await loop.create_server(control.connection, *asked.control))
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    # What stands now stands for good: the collector need not walk two thousand symbols on every order.
    gc.collect()
    gc.freeze()
    named = {"http": ports[0], "control": ports[-1]} | ({"tls": ports[1]} if asked.tls else {})
    accounts, orders = len(exchange.ledger.accounts), len(exchange.ledger.orders)
    facts = " ".join(f"{name}={port}" for name, port in named.items())
    print(f"paper venue ready {facts} market={source.name} accounts={accounts} orders={orders}", flush=True)
    tasks = [loop.create_task(part) for part in (source.run(), tape.run(), door.keep_alive())]
    waiting = loop.create_task(stop.wait())
    done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.close()
    for socket in list(door.sockets):
        socket.close(1001)
    for task in [waiting, *tasks]:
        task.cancel()
    ended = await asyncio.gather(waiting, *tasks, return_exceptions=True)
    exchange.journal.sync()
    exchange.journal.close()
    for problem in ended:
        if isinstance(problem, Exception):
            raise problem


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s paper %(levelname)s %(message)s")
    asked = arguments()
    uvloop.run(run(asked))


if __name__ == "__main__":
    main()
