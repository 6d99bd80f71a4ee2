"""The limits of the outside: what may be sent to a venue now, by its limits, its wishes, and whether it answers at all.

Kept in Redis, one truth for all processes. Before anything leaves, `admit` takes a place in the buckets for each
request of a chunk; afterwards `heed` takes in what the answers say: how much the exchange itself has counted, how long
it wants to be left alone (429, 418), and whether it answered. After many silences in a row the breaker opens: then
opens wait, and a few closes and questions go out as probes until one of them is answered.

A bucket counts as the exchange counts: what was used in the present interval of its clock. Closes and what is critical
may use all of a limit, everything else a part of it. While Redis is away all may go: the venue itself still says no.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import redis
from django.conf import settings

from citadel.client import Result
from obscura.core import log, redis_clients
from trading.domain.waiting import Held
from trading.execution.limits_lua import ADMIT, HEED
from trading.venues.quirks import VENUES, Venue, Window

_logger = log.get("limits")

CLOSE, CRITICAL, OPEN, ASK, TRADES = "close", "critical", "open", "ask", "trades"
SHARES: Mapping[str, float] = {CLOSE: 1.0, CRITICAL: 1.0, OPEN: 0.8, ASK: 0.8, TRADES: 0.4}
"""The part of a limit that each kind may find used and still go: what is left above is the reserve of the others."""

TOO_MANY = (418, 429)
TOO_MANY_ORDERS = b"-1015"
PAUSE_S, LONGEST_S = 5, 3600
WORTH_TELLING = 0.5
"""Below this part of a limit, what the exchange has counted is not written back: nothing depends on it yet."""
UNSETTLED_MS = 1_000
"""So long after an interval has begun here, the exchange's clock may still be in the one before."""

FAILURES, WITHIN_MS, REST_MS, LONGEST_REST_MS = 10, 30_000, 5_000, 60_000
PROBES, PACE_MS = 5, 2_000
_SILENT = {b"timeout", b"connection_lost", b"connect_failed", b"not_http"}
"""Silences that are the venue's. Others are ours: a process of the vault that is gone says nothing about the venue."""

_MARKS = {"r": Held.LIMITED, "p": Held.PAUSED, "v": Held.AWAY}
_scripts: dict[tuple[int, str], Any] = {}
_marked: dict[tuple[str, str, str], bool] = {}
_lost_until = 0.0


class Place(NamedTuple):
    """A market of a venue, seen from one of our addresses."""

    environment: str
    exchange: str
    market: str
    address: str = ""

    @property
    def venue(self) -> Venue | None:
        return VENUES.get((self.exchange, self.market))

    @property
    def limited(self) -> bool:
        """Whether its limits are counted. They always are where orders are real."""
        return settings.PAPER_LIMITS or self.environment != "paper"

    @property
    def where(self) -> tuple[str, str, str]:
        return self[:3]

    def key(self, what: str) -> str:
        """Of what belongs to the venue for all our addresses."""
        return f"obscura:outside:{self.environment}:{self.exchange}:{self.market}:{what}"

    def own_key(self, what: str) -> str:
        """Of what belongs to this address."""
        return self.key(f"{what}@{self.address}")

    def order_keys(self) -> list[str]:
        windows = self.venue.orders if self.venue and self.limited else ()
        return [self.key(f"orders-{window.seconds}") for window in windows]


INDEX = "obscura:outside"
ALL_GO = "1"


class Admission(NamedTuple):
    """Which of a chunk may go. `wait_ms`: when another try is worth it for the others."""

    marks: str
    wait_ms: int

    def held(self, at: int) -> Held | None:
        """Why the request at this position may not go; None: it may."""
        return _MARKS.get(self.marks[at])


def admit(place: Place, kind: str, *, count: int, accounts: Sequence[str] = (), weight: int) -> Admission:
    """Take a place in the buckets for each of `count` requests, as far as there is room. One call to Redis.

    :param accounts: for orders: whose each is, all texts of one length; their own limits are taken too
    :param weight: of each request on the address's scale
    """
    venue, share = place.venue, SHARES[kind]
    limited = place.limited and venue is not None
    order_keys = place.order_keys() if accounts else []
    keys = [place.key("breaker"), place.own_key("pause"), place.own_key("weight"), INDEX, *order_keys]
    window = venue.weight if venue else Window(1, 60, "")
    args: list[Any] = [
        kind, "|".join(place), count, weight if limited else 0, int(window.limit * share), window.seconds,
        PACE_MS, PROBES,
        len(accounts[0]) if accounts else 0, "".join(accounts) if order_keys else "",
    ]  # fmt: skip
    for one in venue.orders if venue and order_keys else ():
        args += [int(one.limit * share), one.seconds]
    found = _run(ADMIT, keys, args)
    if found is None:
        return Admission(ALL_GO * count, 0)
    marks, wait, marked = found
    _marked[place.where] = bool(marked)
    return Admission(marks.decode(), int(wait))


class _Told:
    """What a batch of answers says, for one call to Redis or for none."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.limited = place.limited and place.venue is not None
        self.pause_ms = self.failures = self.answers = self.weight = 0
        self.interval = -1
        self.orders: list[Any] = []

    def take(self, answer: Result, account: str) -> None:
        status, headers = answer.status, answer.headers
        if status >= 500 or (status <= 0 and answer.body in _SILENT):
            self.failures += 1
        elif status > 0:
            self.answers += 1
        if status in TOO_MANY:
            self._slow_down(answer, account)
        if status > 0 and self.limited and headers:
            self._counted(answer, account)

    def _slow_down(self, answer: Result, account: str) -> None:
        wait_s = pause_s(answer)
        if account and TOO_MANY_ORDERS in answer.body:
            # One account has sent too many: no reason to keep the others waiting. Its shortest interval that lasts
            # at least so long is full.
            venue = self.place.venue
            for number, window in enumerate(venue.orders if venue and self.limited else ()):
                if window.seconds >= wait_s:
                    now = int(time.time()) // window.seconds
                    self.orders += [4 + number, now, window.seconds, account, window.limit]
                    return
        self.pause_ms = max(self.pause_ms, wait_s * 1000)

    def _counted(self, answer: Result, account: str) -> None:
        venue = self.place.venue
        assert venue is not None
        told = _number(answer.headers.get(venue.weight.header))
        if told > self.weight and told >= venue.weight.limit * WORTH_TELLING:
            interval = _interval(answer, venue.weight)
            if interval is not None:
                self.weight, self.interval = told, interval
        for number, window in enumerate(venue.orders if account else ()):
            count = _number(answer.headers.get(window.header))
            if count >= window.limit * WORTH_TELLING:
                interval = _interval(answer, window)
                if interval is not None:
                    self.orders += [4 + number, interval, window.seconds, account, count]

    @property
    def worth(self) -> bool:
        """Whether there is anything to write: most answers only confirm what is known."""
        return bool(
            self.pause_ms
            or self.failures
            or self.weight
            or self.orders
            or (self.answers and _marked.get(self.place.where))
        )


def heed(place: Place, answers: Iterable[Result], *, accounts: Mapping[int, str] | None = None) -> None:
    """Take in what a venue's answers say about its limits, its wishes and its health. One call to Redis, or none.

    :param accounts: for orders: whose each row is
    """
    told, whose = _Told(place), accounts or {}
    for answer in answers:
        told.take(answer, whose.get(answer.row, ""))
    if not told.worth:
        return
    venue = place.venue
    keys = [place.key("breaker"), place.own_key("pause"), place.own_key("weight"), *place.order_keys()]
    args = [
        told.pause_ms, told.failures, told.answers, told.interval, told.weight, venue.weight.seconds if venue else 60,
        FAILURES, WITHIN_MS, REST_MS, LONGEST_REST_MS, *told.orders,
    ]  # fmt: skip
    _marked[place.where] = bool(_run(HEED, keys, args))
    if told.pause_ms or told.failures:
        _logger.warning("limits.heard", place="|".join(place), pause_ms=told.pause_ms, failures=told.failures)


def pause_s(answer: Result) -> int:
    """For how many seconds a 429 or 418 wants us to be quiet."""
    try:
        return min(max(int(answer.headers.get("retry-after", "")), 1), LONGEST_S)
    except ValueError:
        return PAUSE_S


def _interval(answer: Result, window: Window) -> int | None:
    """The interval that a count belongs to; None where the exchange's clock may say another than ours."""
    length = window.seconds * 1000
    began, ended = answer.sent_ms // length, answer.done_ms // length
    return began if began == ended and answer.sent_ms % length >= UNSETTLED_MS else None


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else -1


def _run(script: str, keys: list[str], args: list[Any]) -> Any:
    """What the script returns; None while Redis is away. That is found out once a second, not by every chunk."""
    global _lost_until
    if time.monotonic() < _lost_until:
        return None
    client = redis_clients.sync()
    found = _scripts.get((id(client), script))
    if found is None:
        found = _scripts[(id(client), script)] = client.register_script(script)
    try:
        return found(keys=keys, args=args)
    except redis.RedisError as error:
        _lost_until = time.monotonic() + 1.0
        _logger.warning("limits.lost", error=type(error).__name__)
        return None
