"""How the outside stands, for people to look at: breakers, pauses, and how full the buckets are."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from obscura.core import clock, redis_clients
from trading.execution.limits import INDEX, Place

SILENT_FOR_MS = 3_600_000
"""What nobody has sent to for so long is not shown."""
LONGEST_SHOWN_S = 60


class Bucket(NamedTuple):
    """What is used of a limit in the present interval."""

    name: str
    used: int
    limit: int


class Outlook(NamedTuple):
    """A market of a venue from one of our addresses.

    :param breaker: ``closed``, ``open``, or ``half-open``: a few requests go out as probes
    :param since: since when it is not closed
    :param failures: silences and errors in a row
    :param pause_s: for how long the venue wants to hear nothing from this address
    :param weight: of the address; None where nothing is limited
    :param orders: of the account that has used most, for each interval of a minute or less
    """

    environment: str
    exchange: str
    market: str
    address: str
    breaker: str
    since: datetime | None
    failures: int
    pause_s: int
    weight: Bucket | None
    orders: tuple[Bucket, ...]


def outlook() -> list[Outlook]:
    """Every place that was sent to within the last hour, by name.

    :raises redis.RedisError: Redis is away
    """
    now = clock.millis(clock.now())
    known = redis_clients.sync().hgetall(INDEX)
    names = sorted(name.decode() for name, at in known.items() if now - int(at) < SILENT_FOR_MS)
    return [_look(Place(*name.split("|")), now) for name in names]


def _look(place: Place, now: int) -> Outlook:
    pipe = redis_clients.sync().pipeline(transaction=False)
    pipe.hmget(place.key("breaker"), "failures", "since", "retry_at")
    pipe.pttl(place.own_key("pause"))
    pipe.hmget(place.own_key("weight"), "interval", "used")
    # A day's counts have a field for each account there is: too many to read for a page.
    every = place.venue.orders if place.venue and place.limited else ()
    windows = [window for window in every if window.seconds <= LONGEST_SHOWN_S]
    for window, key in zip(every, place.order_keys(), strict=True):
        if window in windows:
            pipe.hgetall(key)
    breaker, pause, weight, *orders = pipe.execute()
    failures, since, retry_at = (int(value) if value else 0 for value in breaker)
    state = "closed" if not since else "open" if now < retry_at else "half-open"
    bucket = None
    if place.venue and place.limited:
        window = place.venue.weight
        current = weight[0] is not None and int(weight[0]) == now // 1000 // window.seconds
        bucket = Bucket(_span(window.seconds), int(weight[1]) if current else 0, window.limit)
    return Outlook(
        *place,
        breaker=state,
        since=clock.from_millis(since) if since else None,
        failures=failures,
        pause_s=max(0, pause) // 1000,
        weight=bucket,
        orders=tuple(
            Bucket(_span(window.seconds), _fullest(counts, now // 1000 // window.seconds), window.limit)
            for window, counts in zip(windows, orders, strict=True)
        ),
    )


def _fullest(counts: dict[bytes, bytes], interval: int) -> int:
    if int(counts.get(b"#", 0)) != interval:
        return 0
    return max((int(used) for name, used in counts.items() if name not in (b"#", b"table")), default=0)


def _span(seconds: int) -> str:
    for length, unit in ((86_400, "d"), (60, "min"), (1, "s")):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
