"""Real parts for the vault's tests: the two processes, an exchange peer that checks signatures, Ada, Ben and Cleo."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop

from citadel import sealing
from citadel.client import Chunk, ChunkSender, Row, SignerClient
from citadel.domain.mandate import Caps, Mandate
from citadel.domain.mandate import seal as seal_mandate

ROOT = Path(__file__).resolve().parents[2]
ROOT_KEY, MANDATE_KEY = "11" * 32, "22" * 32
TENANT = 7
GIVE_UP_S = 60.0
"""After so long what a test waits for is not slow but missing."""
_STARTED = '"event":"start"'
PRICES_FROM = "127.0.0.9"
"""Where the egress asks for prices from, so that a test's own requests can be told from them."""


@dataclass(frozen=True)
class Person:
    """A follower's account: its 16 bytes, and keys only tests may know in the open."""

    account: bytes
    api_key: str
    secret: str
    subscription: int = 1


def person(number: int) -> Person:
    return Person(
        UUID(int=number + 1).bytes, f"key{number:061d}", hashlib.sha256(b"%d" % number).hexdigest(), number + 1
    )  # fmt: skip


WIDE = Caps(Decimal(1000), Decimal(1_000_000), Decimal(10_000_000), 20)


def mandate(one: Person, **changed: Any) -> Mandate:
    """What a person has agreed, wide enough for whatever a test does not look at."""
    plain = Mandate(
        tenant=TENANT,
        subscription=one.subscription,
        account=one.account,
        number=1,
        exchange="binance",
        environment="paper",
        opens=True,
        caps=WIDE,
        band_bps=500,
        max_loss_usd=Decimal(1000),
    )
    return replace(plain, **changed)


def sealed_mandate(one: Person, **changed: Any) -> bytes:
    """As the web seals it."""
    return seal_mandate(mandate(one, **changed), key=bytes.fromhex(MANDATE_KEY))


BEN, CLEO = person(1), person(2)


class Exchange:
    """A loopback peer with Binance's way of signing. Counts executions by client order id.

    :param hold: while set, requests are taken in and executed, but not answered
    """

    def __init__(self, people: list[Person]) -> None:
        self.secrets = {one.api_key: one.secret.encode() for one in people}
        self.executed: Counter[str] = Counter()
        self.requests: list[tuple[str, str, str]] = []
        self.peers: list[str] = []
        self.refused = 0
        self.hold = threading.Event()
        self.answer_headers = ""
        self.answer = (200, b'{"symbol":"BTCUSDT","status":"FILLED"}')
        self.prices = {"BTCUSDT": "60000", "ETHUSDT": "3000"}
        self.port = 0
        self._loop = uvloop.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._open: set[asyncio.Transport] = set()

    def start(self) -> Exchange:
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def drop_connections(self) -> None:
        self._loop.call_soon_threadsafe(lambda: [transport.abort() for transport in list(self._open)])

    def _run(self) -> None:
        async def listen() -> asyncio.Server:
            return await self._loop.create_server(lambda: _Seat(self), "127.0.0.1", 0)

        server = self._loop.run_until_complete(listen())
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for transport in list(self._open):
            transport.abort()
        self._loop.run_until_complete(server.wait_closed())
        self._loop.run_until_complete(asyncio.sleep(0.01))

    def take(self, method: str, path: str, headers: dict[str, str], query: str) -> bytes | None:
        if path.endswith("/ticker/price"):
            rows = [{"symbol": symbol, "price": price} for symbol, price in self.prices.items()]
            return _answer(200, json.dumps(rows).encode())
        self.requests.append((method, headers["host"], path))
        payload, _, signature = query.rpartition("&signature=")
        secret = self.secrets.get(headers.get("x-mbx-apikey", ""), b"")
        if hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest() != signature:
            self.refused += 1
            return _answer(400, b'{"code":-1022,"msg":"Signature for this request is not valid."}')
        fields = dict(part.split("=", 1) for part in payload.split("&"))
        self.executed[fields.get("newClientOrderId", "?")] += 1
        if self.hold.is_set():
            return None
        return _answer(*self.answer, self.answer_headers)


class _Seat(asyncio.Protocol):
    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.rest = exchange, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.exchange._open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.exchange._open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while b"\r\n\r\n" in self.rest:
            head, _, rest = self.rest.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            body, self.rest = rest[:length].decode(), rest[length:]
            method, target, _ = first.split(" ")
            path, _, query = target.partition("?")
            if not path.endswith("/ticker/price"):
                self.exchange.peers.append(self.transport.get_extra_info("peername")[0])
            answer = self.exchange.take(method, path, headers, body or query)
            if answer is not None:
                self.transport.write(answer)


def _answer(status: int, body: bytes, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Vault:
    """The two processes in a directory of their own. Every one that was started is stopped by `close`."""

    directory: Path
    paper_port: int
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    signer: subprocess.Popen[bytes] | None = None
    egress: subprocess.Popen[bytes] | None = None
    extra: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each was started with the last time, besides `environment`."""

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "OBSCURA_RUN": str(self.directory),
            "OBSCURA_ROOT_KEY": ROOT_KEY,
            "OBSCURA_MANDATE_KEY": MANDATE_KEY,
            "OBSCURA_EGRESS_PRICES_FROM": PRICES_FROM,
            "OBSCURA_PAPER": f"127.0.0.1:{self.paper_port}",
            "PYTHONWARNINGS": "error",
        }

    def start(self) -> None:
        """Both, side by side."""
        started = {name: self._spawn(name, {}) for name in ("signer", "egress")}
        for name, (process, before) in started.items():
            setattr(self, name, self._wait(name, process, before))

    def start_signer(self, **extra: str) -> None:
        self.signer = self._start("signer", extra)

    def start_egress(self, **extra: str) -> None:
        self.egress = self._start("egress", extra)

    def start_again(self, name: str) -> None:
        """As it was started the last time."""
        setattr(self, name, self._start(name, self.extra[name]))

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def close(self) -> None:
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.started:
            process.wait(timeout=10)

    def _start(self, name: str, extra: dict[str, str]) -> subprocess.Popen[bytes]:
        return self._wait(name, *self._spawn(name, extra))

    def _spawn(self, name: str, extra: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
        """The process, and how often its log has told of a start before."""
        log = self.directory / f"{name}.log"
        before = log.read_text().count(_STARTED) if log.exists() else 0
        self.extra[name] = extra
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", f"citadel.{name}"],
                cwd="/",
                env=self.environment() | extra,
                stdout=out,
                stderr=out,
            )
        self.started.append(process)
        return process, before

    def _wait(self, name: str, process: subprocess.Popen[bytes], before: int) -> subprocess.Popen[bytes]:
        log, give_up = self.directory / f"{name}.log", time.monotonic() + GIVE_UP_S
        while log.read_text().count(_STARTED) <= before:
            if process.poll() is not None or time.monotonic() > give_up:
                raise AssertionError(f"{name} did not start: {log.read_text()}")
            time.sleep(0.005)
        return process

    # what a worker has
    def client(self) -> SignerClient:
        return SignerClient(run_dir=self.directory)

    def sender(self, **options: float) -> ChunkSender:
        return ChunkSender(run_dir=self.directory, **options)

    def enrol(self, people: list[Person], *, open_them: bool = True) -> dict[bytes, dict[str, str]]:
        """Seal, enrol and (unless told not to) open accounts; the envelopes by account."""
        client = self.client()
        key, _ = client.intake_key()
        sealed = {
            one.account: client.enrol(tenant=TENANT, account=one.account, sealed=seal(key, one))[0] for one in people
        }
        if open_them:
            entries = [(TENANT, one.account, sealed[one.account], [sealed_mandate(one)]) for one in people]
            assert client.open(entries)[1] == []
            self.wait_for_prices()
        client.close()
        return sealed

    def wait_for_prices(self) -> None:
        """Until the signer has heard of the exchange's prices, where there is an egress to tell them."""
        client = self.client()
        for _ in range(500 if self.egress is not None and self.egress.poll() is None else 0):
            if client.stats()["marks"]:
                break
            time.sleep(0.01)
        client.close()


def seal(key: bytes, one: Person, *, tenant: int = TENANT) -> bytes:
    """A person's keys as the web seals them, for the person's own account."""
    fields = {"apiKey": one.api_key, "secret": one.secret}
    return sealing.seal(intake=key, tenant=tenant, account=one.account, fields=fields)


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that happens in another process or thread."""
    while not condition():  # noqa: ASYNC110 - there is no event to wait for across a process
        await asyncio.sleep(0.002)


async def egress_says(sender: ChunkSender, fits: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The egress's counts as soon as they fit, however busy the machine is."""
    async with asyncio.timeout(GIVE_UP_S):
        while not fits(stats := await sender.egress_stats()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    return stats


def now_ms() -> int:
    return int(time.time() * 1000)


def order_chunk(people: list[Person], *, first: int = 0, life_ms: int = 3_000, timeout_ms: int = 2_000) -> Chunk:
    """A market order for each of `people`; the client order ids are ``o{row}``."""
    return Chunk(
        venue="binance",
        market="spot",
        env="paper",
        method="POST",
        path="/api/v3/order",
        head=b"symbol=BTCUSDT&side=BUY&type=MARKET&newOrderRespType=FULL&recvWindow=5000&timestamp=%d" % now_ms(),
        rows=[
            Row(first + n, one.account, b"&newClientOrderId=o%d&quantity=0.00123" % (first + n), one.subscription)
            for n, one in enumerate(people)
        ],
        not_after_ms=now_ms() + life_ms,
        timeout_ms=timeout_ms,
    )
