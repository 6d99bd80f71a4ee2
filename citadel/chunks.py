"""Chunks of orders, sent through signer and egress from an event loop, with exactly one result for every row."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from citadel.domain.frames import BadFrame, FrameTooLarge, Message, Splitter, pack, unpack
from citadel.questions import (
    KEY_PATIENCE_S,
    KEY_PAUSE_S,
    KEY_PENDING,
    Entry,
    SignerRefused,
    SignerUnavailable,
    WrappedKey,
    parts,
    stay_away_from_web,
)

SILENCE, UNSENT = 0, -1


class Row(NamedTuple):
    """One request of a chunk: the caller's number for it, the account (16 bytes), what follows the chunk's head.

    :param subscription: whose mandate lets it open; 0 where it opens nothing
    """

    row: int
    account: bytes
    tail: bytes
    subscription: int = 0


class Chunk(NamedTuple):
    """Requests that differ in account and tail alone. ``head + tail`` is the query or form, without signature.

    :param not_after_ms: Unix milliseconds after which nothing of it is sent any more
    :param timeout_ms: milliseconds the venue has for each answer, from sending
    :param urgent: where orders wait for a connection, these go before all that are not urgent
    :param address: the address of ours that they leave from; empty: the first there is
    """

    venue: str
    market: str
    env: str
    method: str
    path: str
    head: bytes
    rows: Sequence[Row | tuple[int, bytes, bytes] | tuple[int, bytes, bytes, int]]
    not_after_ms: int
    timeout_ms: int
    urgent: bool = False
    address: str = ""


class CarriedRequest(NamedTuple):
    """A request of ccxt's that waits for signatures or a secret (citadel.bearing).

    :param account: 16 bytes
    :param uses: what its placeholders stand for, in the order they were made
    :param decoy: what a header has in place of the secret; empty: none
    """

    account: bytes
    env: str
    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    uses: Sequence[Any]
    decoy: str
    not_after_ms: int
    timeout_ms: int
    address: str = ""


class Result(NamedTuple):
    """How one row ended.

    ``status > 0``: the venue's HTTP status and body. ``SILENCE`` (0): it may have reached the venue: ask, never resend.
    ``UNSENT`` (-1): it certainly did not and will not. In the last two `body` is the reason in ASCII, among them
    ``unknown_account`` (open the account and send the row again, in a new chunk) and ``egress_unavailable``.
    """

    row: int
    status: int
    body: bytes
    sent_ms: int
    done_ms: int
    headers: Mapping[str, str]


OnResults = Callable[[list[Result]], None]


class ChunkSender:
    """Sends chunks through signer and egress. Belongs to one event loop; connects when needed and again when broken.

    What is known of a row when a process dies:

    * it could not be given to the signer, or the signer says so: ``UNSENT``;
    * the egress's connection broke, or the signer's before it answered: ``SILENCE``, unless its result came;
    * nothing was heard until ``not_after_ms + timeout_ms`` and `slack` have passed: ``SILENCE``.

    :param grace: seconds to wait for results after the signer broke off: the chunk may have got through whole
    """

    def __init__(self, *, run_dir: str | Path | None = None, grace: float = 0.25, slack: float = 1.0) -> None:
        stay_away_from_web()
        directory = Path(run_dir or os.environ["OBSCURA_RUN"])
        self._signer_path, self._egress_path = str(directory / "signer.sock"), str(directory / "egress.sock")
        self.grace, self.slack = grace, slack
        self._signer: _Link | None = None
        self._egress: _Link | None = None
        self._connecting = asyncio.Lock()
        self._ids = itertools.count(1)
        self.stray = 0
        """Results nobody waited for any more."""

    async def send(self, chunk: Chunk, *, on_results: OnResults | None = None) -> list[Result]:
        """Send every row once; the results in the order they came, exactly one for each row.

        :param on_results: also called with results as they arrive, all of them, before `send` returns
        :raises ValueError: a row number occurs twice
        """
        flight = _Flight(self, chunk.rows, chunk.not_after_ms, chunk.timeout_ms, on_results)
        question = {
            "op": "send", "venue": chunk.venue, "market": chunk.market, "env": chunk.env, "method": chunk.method,
            "path": chunk.path, "head": chunk.head, "rows": chunk.rows, "not_after_ms": chunk.not_after_ms,
            "timeout_ms": chunk.timeout_ms, "urgent": chunk.urgent, "address": chunk.address,
        }  # fmt: skip
        return await self._fly(flight, question)

    async def carry(self, request: CarriedRequest) -> Result:
        """Have one request completed and sent, once."""
        rows = [Row(0, request.account, b"")]
        flight = _Flight(self, rows, request.not_after_ms, request.timeout_ms, None)
        return (await self._fly(flight, {"op": "carry", **request._asdict()}))[0]

    async def _fly(self, flight: _Flight, question: Message) -> list[Result]:
        try:
            egress, signer = await self._links()
        except _NoLink as error:
            flight.end(UNSENT, error.code)
            return await flight.done
        ident, key = next(self._ids), os.urandom(16)
        try:
            frame = pack({**question, "id": ident, "chunk": key, "reply": egress.token})
        except FrameTooLarge:
            flight.end(UNSENT, b"frame_too_large")
            return await flight.done
        egress.flights[key] = flight
        signer.answers[ident] = flight.answered
        flight.watch(egress=egress, signer=signer, key=key, ident=ident)
        signer.write(frame)
        return await flight.done

    async def open(self, entries: Sequence[Entry], keys: Sequence[WrappedKey] = ()) -> list[tuple[bytes, str]]:
        """Open accounts for signing; the (account, code) of those that were refused.

        :param keys: the wrapped keys they are sealed under
        :raises SignerUnavailable: the signer does not answer
        :raises SignerRefused: code ``key_pending``: the key provider has not answered for seconds
        """
        refused = []
        give_up = time.monotonic() + KEY_PATIENCE_S
        for part in parts(entries):
            while True:
                try:
                    answer = await self._ask(self._signer_link, "open", entries=part, keys=[list(key) for key in keys])
                    break
                except SignerRefused as refusal:
                    if refusal.code != KEY_PENDING or time.monotonic() > give_up:
                        raise
                await asyncio.sleep(KEY_PAUSE_S)
            refused += [(account, code) for account, code in answer["refused"]]
        return refused

    async def warm(self, *, venue: str, market: str, env: str, connections: int, address: str = "") -> int:
        """Have the egress open connections ahead of the first order. Returns how many are open."""
        answer = await self._ask(self._egress_link, "warm", route=[venue, market, env, address], n=connections)
        return int(answer["open"])

    async def ping(self, *, timeout: float) -> None:
        """Whether the signer listens.

        :raises SignerUnavailable: it does not answer within `timeout` seconds
        """
        await self._ask(self._signer_link, "ping", timeout)

    async def egress_stats(self) -> Message:
        """The egress's counts, pools and CPU seconds."""
        return await self._ask(self._egress_link, "stats")

    async def close(self) -> None:
        """Close both connections. Rows still without a result end in silence."""
        for link in (self._signer, self._egress):
            if link is not None:
                link.close()
                await link.lost
        self._signer = self._egress = None

    async def _ask(self, get: Callable[[], Awaitable[_Link]], op: str, timeout: float = 5.0, **fields: Any) -> Message:
        future: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

        def heard(answer: Message | None) -> None:
            if not future.done():
                future.set_result(answer)

        ident = next(self._ids)
        try:
            async with asyncio.timeout(timeout):
                async with self._connecting:
                    link = await get()
                link.answers[ident] = heard
                link.write(pack({"op": op, "id": ident, **fields}))
                answer = await future
        except (_NoLink, TimeoutError):
            raise SignerUnavailable from None
        if answer is None:
            raise SignerUnavailable
        if answer.get("ok") is not True:
            raise SignerRefused(code=str(answer.get("code")))
        return answer

    async def _links(self) -> tuple[_Link, _Link]:
        egress, signer = self._egress, self._signer
        while egress is None or signer is None or egress.lost.done() or signer.lost.done():
            async with self._connecting:
                egress = await self._egress_link()
                signer = await self._signer_link()
        return egress, signer

    async def _signer_link(self) -> _Link:
        if self._signer is None or self._signer.lost.done():
            self._signer = await self._connect(self._signer_path, b"signer_unavailable")
        return self._signer

    async def _egress_link(self) -> _Link:
        if self._egress is not None and not self._egress.lost.done():
            return self._egress
        link = await self._connect(self._egress_path, b"egress_unavailable")
        heard: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        ident = next(self._ids)
        link.answers[ident] = lambda answer: None if heard.done() else heard.set_result(answer)
        link.write(pack({"op": "hello", "id": ident, "reply": link.token}))
        try:
            async with asyncio.timeout(2.0):
                answer = await heard
        except TimeoutError:
            answer = None
        if answer is None or answer.get("ok") is not True:
            link.close()
            raise _NoLink(b"egress_unavailable")
        self._egress = link
        return link

    async def _connect(self, path: str, code: bytes) -> _Link:
        try:
            async with asyncio.timeout(2.0):
                _, link = await asyncio.get_running_loop().create_unix_connection(lambda: _Link(self), path)
        except (OSError, TimeoutError):
            raise _NoLink(code) from None
        return link


class _NoLink(Exception):
    """A process of the vault does not accept connections; `code` is the reason its rows end with."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        super().__init__(code.decode())


class _Link(asyncio.Protocol):
    """A connection to the signer or the egress. To the egress it carries a token of its own: where results go."""

    def __init__(self, sender: ChunkSender) -> None:
        self._sender = sender
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None
        self.token = os.urandom(16)
        self.answers: dict[int, Callable[[Message | None], None]] = {}
        self.flights: dict[bytes, _Flight] = {}
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)
        answers, self.answers = self.answers, {}
        for hear in answers.values():
            hear(None)
        for flight in list(self.flights.values()):
            flight.egress_lost()

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._splitter.feed(data):
                self._heard(unpack(body))
        except (FrameTooLarge, BadFrame):
            assert self._transport is not None
            self._transport.abort()

    def write(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def _heard(self, message: Message) -> None:
        key = message.get("chunk")
        if key is not None:
            flight = self.flights.get(key)
            if flight is None:
                self._sender.stray += len(message["results"])
            else:
                flight.results_came(message["results"])
            return
        hear = self.answers.pop(message.get("id", 0), None)
        if hear is not None:
            hear(message)


class _Flight:
    """A chunk under way: which rows have no result yet, and what is known of the processes that carry them."""

    __slots__ = (
        "_accounts", "_came", "_egress", "_egress_gone", "_heard", "_ident", "_key", "_loop", "_on_results", "_pending",
        "_results", "_sender", "_signer", "_timer", "_deadline", "done",
    )  # fmt: skip

    def __init__(
        self, sender: ChunkSender, rows: Sequence[Any], not_after_ms: int, timeout_ms: int, on_results: OnResults | None
    ) -> None:
        self._sender = sender
        self._pending = dict.fromkeys([row[0] for row in rows])
        if len(self._pending) != len(rows):
            raise ValueError("a row number occurs twice in one chunk")
        self._accounts = rows
        self._on_results = on_results
        self._results: list[Result] = []
        self._loop = asyncio.get_running_loop()
        self._deadline = max(0.0, not_after_ms / 1000 - time.time()) + timeout_ms / 1000 + sender.slack
        self._timer: asyncio.TimerHandle | None = None
        self._egress: _Link | None = None
        self._signer: _Link | None = None
        self._key, self._ident = b"", 0
        self._came = self._heard = self._egress_gone = False
        self.done: asyncio.Future[list[Result]] = self._loop.create_future()
        if not self._pending:
            self.done.set_result([])

    def watch(self, *, egress: _Link, signer: _Link, key: bytes, ident: int) -> None:
        self._egress, self._signer, self._key, self._ident = egress, signer, key, ident
        self._timer = self._loop.call_later(self._deadline, self.end, SILENCE, b"deadline")

    def results_came(self, raw: list[list[Any]]) -> None:
        """Results from the egress."""
        self._came = True
        self._take(list(map(Result._make, raw)))

    def answered(self, answer: Message | None) -> None:
        """The signer's answer; None: it broke off."""
        if answer is None:
            if self._egress_gone:
                self.end(SILENCE, b"signer_lost")
            elif not self._came:
                self._loop.call_later(self._sender.grace, self._grace_over)
            return
        self._heard = True
        if answer.get("ok") is not True:
            code = str(answer.get("code", "signer_refused")).encode()
            # A fault inside the signer may have come after the chunk was handed over; every other refusal is before.
            self.end(SILENCE if code == b"internal" else UNSENT, code)
            return
        gone = [(row, str(code).encode()) for row, code in answer["refused"]]
        if answer["unknown"]:
            unknown = set(answer["unknown"])
            gone += [(row[0], b"unknown_account") for row in self._accounts if row[1] in unknown]
        if gone:
            now = int(time.time() * 1000)
            self._take([Result(row, UNSENT, code, 0, now, {}) for row, code in gone])
        if self._egress_gone:
            self.end(SILENCE, b"egress_lost")

    def egress_lost(self) -> None:
        """The connection results come on broke. If the signer is still to answer, it may know of rows never sent."""
        self._egress_gone = True
        if self._heard or self._signer is None or self._signer.lost.done():
            self.end(SILENCE, b"egress_lost")

    def end(self, status: int, code: bytes) -> None:
        """Every row still without a result ends like this."""
        now = int(time.time() * 1000)
        self._take([Result(row, status, code, 0, now, {}) for row in self._pending])

    def _grace_over(self) -> None:
        if not self._came:
            self.end(SILENCE, b"signer_lost")

    def _take(self, results: list[Result]) -> None:
        pending, missing = self._pending, object()
        fresh = [result for result in results if pending.pop(result.row, missing) is not missing]
        self._sender.stray += len(results) - len(fresh)
        if not fresh:
            return
        self._results += fresh
        if self._on_results is not None:
            self._loop.call_soon(self._on_results, fresh)
        if not pending:
            self._finish()

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._egress is not None:
            self._egress.flights.pop(self._key, None)
        if self._signer is not None:
            self._signer.answers.pop(self._ident, None)
        # Behind what `on_results` is still to be called with, also where the flight ends before anybody waits for it.
        self._loop.call_soon(self._over)

    def _over(self) -> None:
        if not self.done.done():
            self.done.set_result(self._results)
