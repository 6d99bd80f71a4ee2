"""Send orders that this process has claimed, and write back what came of them while more is being planned.

Claimed means: committed as SENDING with a lease and a time. That time is signed as the request's timestamp, so the
venue itself refuses what a sleeper sends after the receive window; nothing is sent at all when 0.6 of it has passed.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from math import inf
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.conf import settings

from citadel.client import Chunk, Result
from obscura.core import log
from obscura.core.db.away import patiently
from trading.domain.order_state import Status
from trading.domain.setup import Lacks
from trading.execution import gate, limits, results
from trading.execution.accounts import known, setup
from trading.execution.gate import Back
from trading.execution.lane import lane
from trading.execution.limits import Place
from trading.execution.results import Told
from trading.execution.store import Claimed, SignalRow
from trading.venues import binance
from trading.venues.binance import Report

_logger = log.get("submit")
FENCE = 0.6
MOST_IN_AIR = 4
MOST_ROWS = 1_000
"""Rows of one chunk, well below what the signer takes in a frame: a sweep may claim all of a signal at once."""


class Batch(NamedTuple):
    """Results on their way to the tables."""

    flight: Flight
    told: list[Told]
    answers: list[Result]


class Flight:
    """Orders of one signal that were sent together; `landed()` returns when each one's result is written.

    :param again: an earlier attempt of theirs has left; what the venue refuses for the moment stays unsure
    """

    def __init__(
        self, *, schema: str, signal: SignalRow, places: Mapping[Place, Sequence[Claimed]], again: bool = False
    ) -> None:
        self.schema, self.signal, self.again = schema, signal, again
        self.sent = self._left = sum(len(members) for members in places.values())
        self._places = places
        self._attempts = {row.id: row.attempt for members in places.values() for row in members}
        self._subscriptions = {row.id: row.subscription for members in places.values() for row in members}
        self.sides: Mapping[int, str] = {}
        self._whose: dict[Place, dict[int, str]] | None = None
        self._written = threading.Event()
        self.failure: BaseException | None = None
        if not self.sent:
            self._written.set()

    def heard(self, answers: list[Result]) -> None:
        """Called on the loop's thread with results as they arrive."""
        told = [
            Told(row, self._attempts[row], binance.read_order(status=status, body=body))
            for row, status, body, *_ in answers
        ]
        if self.signal.market == "usdm":
            told = [self._unless_mode(one) if one.report.code == binance.WRONG_MODE else one for one in told]
        _writer().put(Batch(self, told, answers))

    def _unless_mode(self, told: Told) -> Told:
        """Refused because the account's position mode is the other one: that is learnt, and the order comes back."""
        account = next(row.account for members in self._places.values() for row in members if row.id == told.order)
        modes = {account: self.sides.get(told.order, self.signal.position_side) == "BOTH"}
        _beside().submit(known.learn_modes, schema=self.schema, modes=modes).add_done_callback(_said)
        return told._replace(report=binance.mode_changed())

    def ended(self, reports: Sequence[tuple[Claimed, Report]]) -> None:
        """These are not sent now; the reports say what becomes of them."""
        if reports:
            _writer().put(Batch(self, [Told(row.id, row.attempt, report) for row, report in reports], []))

    def heed(self, answers: Sequence[Result]) -> None:
        """Called by the writer: what these answers say about the venue itself."""
        if self._whose is None:
            self._whose = {place: {row.id: row.account for row in members} for place, members in self._places.items()}
        for place, accounts in self._whose.items():
            mine = answers if len(self._whose) == 1 else [answer for answer in answers if answer.row in accounts]
            limits.heed(place, mine, accounts=accounts)

    def refused(self, told: Sequence[Told], answers: Sequence[Result]) -> None:
        """Called by the writer: refused unexecuted, for the moment. They go back, for as long as the venue says."""
        if self.again:
            unsure = [item._replace(report=item.report._replace(status=Status.UNSURE)) for item in told]
            self.write(unsure)
            return
        rows = {row.id: row for members in self._places.values() for row in members}
        pauses = [limits.pause_s(answer) for answer in answers if answer.status in limits.TOO_MANY]
        back = [
            Back(
                item.order, rows[item.order].attempt, rows[item.order].subscription, item.report.code, item.report.words
            )
            for item in told
        ]
        gate.give_back(schema=self.schema, signal=self.signal, rows=back, wait_ms=max(pauses, default=1) * 1000)

    def write(self, told: Sequence[Told]) -> None:
        """Called by the writer: results to the tables."""
        whose = [self._subscriptions[item.order] for item in told]
        results.write(schema=self.schema, signal=self.signal, told=told, subscriptions=whose)

    def written(self, count: int) -> None:
        """Called by the writer."""
        self._left -= count
        if self._left <= 0:
            self._written.set()

    def failed(self, error: BaseException) -> None:
        """Called by the writer when results could not be written: leases run out and the sweep asks the venue."""
        self.failure = error
        self._written.set()

    def landed(self) -> bool:
        """Wait until every result is written. False when that failed or took too long: the rest is the sweep's."""
        longest = (settings.COPY_HTTP_TIMEOUT_MS + settings.COPY_RECV_WINDOW_MS) / 1000 + 2
        return self._written.wait(longest) and self.failure is None


def place(*, schema: str, signal: SignalRow, rows: Sequence[Claimed], again: bool = False) -> Flight:
    """Send these orders, once each, in the order that was drawn for them, as far as the limits of the outside allow.

    The others go back to PLANNED. Returns at once; the flight tells when the results of what was sent are written.

    :param again: they are sent again, and have their place in the buckets already
    """
    rows = sorted(rows, key=_drawn_place)
    if again:
        free = gate.places(schema=schema, signal=signal, rows=rows)
    else:
        free, back, wait_ms = gate.fit(schema=schema, signal=signal, rows=rows)
        if back:
            gate.give_back(schema=schema, signal=signal, rows=back, wait_ms=wait_ms)
    flight = Flight(schema=schema, signal=signal, places=free, again=again)
    if not free:
        return flight
    going = [row for members in free.values() for row in members]
    lacks = setup.lacking(schema=schema, signal=signal, rows=going)
    flight.sides = setup.sides(schema=schema, signal=signal, rows=going)
    if not lacks:
        _send(flight, free)
        return flight
    _send(flight, _among(free, {row.id for row in going} - lacks.keys()))
    unset = [row for row in going if row.id in lacks]
    _beside().submit(_send_when_set, flight, free, unset, lacks).add_done_callback(_said)
    return flight


_drawn_place = attrgetter("place")


def _among(places: Mapping[Place, Sequence[Claimed]], orders: Collection[int]) -> dict[Place, list[Claimed]]:
    kept = {place: [row for row in rows if row.id in orders] for place, rows in places.items()}
    return {place: rows for place, rows in kept.items() if rows}


def _send(flight: Flight, places: Mapping[Place, Sequence[Claimed]]) -> None:
    if places:
        chunks = order_chunks(flight.signal, places, flight.sides)
        lane().send(schema=flight.schema, chunks=chunks, on_results=flight.heard, patient=True)


def _send_when_set(
    flight: Flight,
    places: Mapping[Place, Sequence[Claimed]],
    rows: Sequence[Claimed],
    lacks: Mapping[int, Lacks],
) -> None:
    """Set the accounts up, then send. What comes too late for its fence comes back as not sent, and is asked after."""
    fence_ms = int(settings.COPY_RECV_WINDOW_MS * FENCE)
    try:
        done = setup.set_up(schema=flight.schema, signal=flight.signal, rows=rows, lacks=lacks, fence_ms=fence_ms)
        flight.ended(done.others)
        _send(flight, _among(places, {row.id for row in done.ready}))
    except Exception as error:
        flight.failed(error)  # whoever waits hears of it; the leases run out and the sweep goes on
        raise


def _said(done: Future[None]) -> None:
    if (error := done.exception()) is not None:
        _logger.error("submit.beside", error=type(error).__name__, exc_info=error)


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


def order_chunks(signal: SignalRow, places: Mapping[Place, Sequence[Claimed]], sides: Mapping[int, str]) -> list[Chunk]:
    """One chunk for each place and shape of order; within it only account, quantity and id differ.

    :param sides: by order, the side it goes by on its account, where that is not the signal's own
    """
    groups: dict[tuple[Any, ...], list[Claimed]] = defaultdict(list)
    for where, rows in places.items():
        for row in rows:
            side = sides.get(row.id, signal.position_side) if sides else signal.position_side
            groups[(where, row.type, row.time_in_force, row.limit_price, row.reduce_only, side)].append(row)
    window = settings.COPY_RECV_WINDOW_MS
    chunks = []
    for (where, kind, tif, limit, reduce_only, position_side), members in _parts(groups):
        head = binance.order_head(
            market=signal.market,
            symbol=signal.symbol,
            side=signal.side,
            type=kind,
            time_in_force=tif,
            limit_price=limit,
            reduce_only=reduce_only,
            position_side=position_side,
            recv_window_ms=window,
        )
        chunks.append(
            Chunk(
                venue=signal.exchange,
                market=signal.market,
                env=where.environment,
                method="POST",
                path=binance.ORDER_PATH[signal.market],
                head=head,
                rows=[(row.id, UUID(row.account).bytes, _tail(row), row.subscription) for row in members],
                not_after_ms=min(row.sent_ms for row in members) + int(window * FENCE),
                timeout_ms=settings.COPY_HTTP_TIMEOUT_MS,
                urgent=signal.effect == "close",
                address=where.address,
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


# ------------------------------------------------------------------------------------------- threads of this process

_pools: dict[int, ThreadPoolExecutor] = {}


def _beside() -> ThreadPoolExecutor:
    """Threads for what must wait for a venue before orders can go, started on first use and anew after a fork."""
    found = _pools.get(os.getpid())
    if found is None:
        with _lock:
            found = _pools.get(os.getpid())
            if found is None:
                _pools.clear()
                found = _pools[os.getpid()] = ThreadPoolExecutor(max_workers=4, thread_name_prefix="setup")
    return found


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
            told = [told for batch in members for told in batch.told]
            _write(members[0].flight, told, [answer for batch in members for answer in batch.answers])


def _write(flight: Flight, told: list[Told], answers: list[Result]) -> None:
    try:
        flight.heed(answers)
        refused = [item for item in told if item.report.status is Status.PLANNED]
        if refused:
            give_back = partial(flight.refused, refused, answers)
            patiently(lambda: _retried(give_back), limit=inf)
            kept = [item for item in told if item.report.status is not Status.PLANNED]
        else:
            kept = told
        write = partial(flight.write, kept)
        # For as long as the database is away: what venues said is known here and nowhere else without asking.
        patiently(lambda: _retried(write), limit=inf)
        flight.written(len(told))
    except Exception as error:  # noqa: BLE001 - whatever it was, the task must hear of it and the thread must live
        _logger.exception("submit.unwritten", signal=flight.signal.id, orders=len(told))
        flight.failed(error)


def _retried(work: Callable[[], None], tries: int = 3) -> None:
    """Once more after a deadlock: results are differences, so writing them again is safe."""
    for left in reversed(range(tries)):
        try:
            work()
            return
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            if not left:
                raise
