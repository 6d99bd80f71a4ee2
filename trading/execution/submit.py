"""Send orders that this process has claimed, and write back what came of them while more is being planned.

Claimed means: committed as SENDING with a lease and a time. That time is signed as the request's timestamp, so the
venue itself refuses what a sleeper sends after the receive window; nothing is sent at all when 0.6 of it has passed.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.conf import settings

from citadel.client import Chunk, Result
from obscura.core import log
from trading.execution import db, hush, results
from trading.execution.lane import lane
from trading.execution.results import Told
from trading.execution.store import Claimed, SignalRow
from trading.venues import binance

_logger = log.get("submit")
FENCE = 0.6
MOST_IN_AIR = 4
MOST_ROWS = 1_000
"""Rows of one chunk, well below what the signer takes in a frame: a sweep may claim all of a signal at once."""


class Batch(NamedTuple):
    """Results on their way to the tables."""

    flight: Flight
    told: list[Told]


class Flight:
    """Orders of one signal that were sent together; `landed()` returns when each one's result is written."""

    def __init__(self, *, schema: str, signal: SignalRow, rows: Sequence[Claimed]) -> None:
        self.schema, self.signal = schema, signal
        self._attempts = {row.id: row.attempt for row in rows}
        self._environments = {row.environment for row in rows}
        self._left = len(rows)
        self._written = threading.Event()
        self.failure: BaseException | None = None

    def heard(self, answers: list[Result]) -> None:
        """Called on the loop's thread with results as they arrive."""
        if any(answer.status in hush.TOO_MANY for answer in answers):
            for environment in self._environments:
                hush.heed(answers, environment=environment, exchange=self.signal.exchange, market=self.signal.market)
        told = [
            Told(row, self._attempts[row], binance.read_order(status=status, body=body))
            for row, status, body, *_ in answers
        ]
        _writer().put(Batch(self, told))

    def held_back(self, rows: Sequence[Claimed]) -> None:
        """The venue wants to be left alone: these are not sent now, and asked after when its pause is over."""
        _writer().put(Batch(self, [Told(row.id, row.attempt, binance.venue_busy()) for row in rows]))

    def written(self, count: int) -> None:
        """Called by the writer."""
        self._left -= count
        if self._left <= 0:
            self._written.set()

    def failed(self, error: BaseException) -> None:
        """Called by the writer when the tables could not be reached: leases run out and the sweep asks the venue."""
        self.failure = error
        self._written.set()

    def landed(self) -> bool:
        """Wait until every result is written. False when that failed or took too long: the rest is the sweep's."""
        longest = (settings.COPY_HTTP_TIMEOUT_MS + settings.COPY_RECV_WINDOW_MS) / 1000 + 2
        return self._written.wait(longest) and self.failure is None


def place(*, schema: str, signal: SignalRow, rows: Sequence[Claimed]) -> Flight:
    """Send these orders, once each, in the order that was drawn for them.

    Returns at once; the flight tells when their results are written.
    """
    rows = sorted(rows, key=_drawn_place)
    flight = Flight(schema=schema, signal=signal, rows=rows)
    where = {"exchange": signal.exchange, "market": signal.market}
    held = {row.environment for row in rows if hush.hushed(environment=row.environment, **where)}
    free = [row for row in rows if row.environment not in held]
    if held:
        flight.held_back([row for row in rows if row.environment in held])
    if free:
        lane().send(schema=schema, chunks=order_chunks(signal, free), on_results=flight.heard)
    return flight


_drawn_place = attrgetter("place")


def let_fly(flight: Flight) -> None:
    """Go on while a flight is under way; only when this process has several of them is the oldest waited for.

    A task that waited for its own results would keep its process from the next one for a round trip. Nothing depends
    on it: what was claimed has a lease, and the sweep asks after what no result came for.
    """
    air = _air.setdefault(os.getpid(), deque())
    air.append(flight)
    while len(air) > MOST_IN_AIR:
        air.popleft().landed()


def land() -> None:
    """Wait for all flights of this process: it is about to end."""
    air = _air.get(os.getpid(), deque())
    while air:
        air.popleft().landed()


_air: dict[int, deque[Flight]] = {}


def order_chunks(signal: SignalRow, rows: Sequence[Claimed]) -> list[Chunk]:
    """One chunk for each shape of order among the rows; within it only account, quantity and id differ."""
    groups: dict[tuple[Any, ...], list[Claimed]] = defaultdict(list)
    for row in rows:
        groups[(row.environment, row.type, row.time_in_force, row.limit_price, row.reduce_only)].append(row)
    window = settings.COPY_RECV_WINDOW_MS
    chunks = []
    for (environment, kind, tif, limit, reduce_only), members in _parts(groups):
        head = binance.order_head(
            market=signal.market,
            symbol=signal.symbol,
            side=signal.side,
            type=kind,
            time_in_force=tif,
            limit_price=limit,
            reduce_only=reduce_only,
            position_side=signal.position_side,
            recv_window_ms=window,
        )
        chunks.append(
            Chunk(
                venue=signal.exchange,
                market=signal.market,
                env=environment,
                method="POST",
                path=binance.ORDER_PATH[signal.market],
                head=head,
                rows=[(row.id, UUID(row.account).bytes, _tail(row)) for row in members],
                not_after_ms=min(row.sent_ms for row in members) + int(window * FENCE),
                timeout_ms=settings.COPY_HTTP_TIMEOUT_MS,
                urgent=signal.effect == "close",
            )
        )
    return chunks


def _parts(groups: Mapping[tuple[Any, ...], list[Claimed]]) -> Iterator[tuple[tuple[Any, ...], list[Claimed]]]:
    for shape, members in groups.items():
        for start in range(0, len(members), MOST_ROWS):
            yield shape, members[start : start + MOST_ROWS]


def _tail(row: Claimed) -> bytes:
    assert isinstance(row.qty, Decimal)
    return binance.order_tail(client_id=row.client_id, qty=row.qty, timestamp_ms=row.sent_ms)


# ------------------------------------------------------------------------------------------------------- the writer

_writers: dict[int, queue.SimpleQueue[Batch]] = {}
_lock = threading.Lock()


def _writer() -> queue.SimpleQueue[Batch]:
    """The queue of this process's writer thread, started on first use and anew after a fork."""
    pid = os.getpid()
    found = _writers.get(pid)
    if found is None:
        with _lock:
            found = _writers.get(pid)
            if found is None:
                _writers.clear()
                found = _writers[pid] = queue.SimpleQueue()
                threading.Thread(target=_write_for_ever, args=(found,), name="results", daemon=True).start()
    return found


def _write_for_ever(batches: queue.SimpleQueue[Batch]) -> None:
    while True:
        waiting = [batches.get()]
        while not batches.empty():
            waiting.append(batches.get())
        by_flight: dict[int, list[Batch]] = defaultdict(list)
        for batch in waiting:
            by_flight[id(batch.flight)].append(batch)
        for members in by_flight.values():
            _write(members[0].flight, [told for batch in members for told in batch.told])


def _write(flight: Flight, told: list[Told]) -> None:
    try:
        _retried(lambda: results.write(schema=flight.schema, signal=flight.signal, told=told))
        flight.written(len(told))
    except Exception as error:  # noqa: BLE001 - whatever it was, the task must hear of it and the thread must live
        _logger.exception("submit.unwritten", signal=flight.signal.id, orders=len(told))
        flight.failed(error)


def _retried(work: Callable[[], None], tries: int = 3) -> None:
    """Once more after a deadlock or a lost session: results are differences, so writing them again is safe."""
    for left in reversed(range(tries)):
        try:
            work()
            return
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.OperationalError):
            if not left:
                raise
            db.close()
