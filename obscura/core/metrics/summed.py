"""Totals over all processes, in Redis: each adds what it has counted since it last did.

A batch that may or may not have arrived is sent again under its number, and added once. A process that is killed takes
with it what it counted in its last seconds; what it had handed over stays, so no total goes down with it. Totals that
nobody has added to for a week are forgotten.
"""

from __future__ import annotations

import secrets
import threading
from itertools import islice
from os import register_at_fork
from typing import Any

import orjson

from obscura.core import redis_clients
from obscura.core.metrics import cells
from obscura.core.metrics.cells import Key
from obscura.core.metrics.defined import MICROS, SUM, Sample, fits

TOTALS, RUN = "obscura:metrics:totals", "obscura:metrics:run"
_SAID = "obscura:metrics:said:"

MOST_AT_A_TIME = 1_000
"""Counts in one batch; the rest follows with the next heartbeat."""

_REMEMBERED_S = 86_400

# A server that was started again may have come back with totals from before its last writes. To a reader that is a
# counter which began anew and reached all of it at once, so it does begin anew.
_ADD = """local run = string.match(redis.call('info', 'server'), 'run_id:(%w+)')
if redis.call('get', KEYS[3]) ~= run then
  redis.call('del', KEYS[1])
  redis.call('set', KEYS[3], run)
end
if redis.call('get', KEYS[2]) == ARGV[1] then return 0 end
for i = 3, #ARGV, 2 do redis.call('hincrby', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('set', KEYS[2], ARGV[1], 'EX', ARGV[2])
for _, key in ipairs({KEYS[1], KEYS[3]}) do redis.call('expire', key, 7 * ARGV[2]) end
return 1"""


class _Desk:
    """What this process has handed over, and what is on its way."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.said = _SAID + secrets.token_hex(8)
        self.number = 0
        self.handed: dict[Key, int] = {}
        self.batch: dict[Key, int] = {}


_desk = _Desk()


def hand_over() -> int:
    """Add to the totals what this process has counted since. How many counts that were. May be repeated.

    :raises redis.RedisError: Redis is away; it is handed over the next time
    """
    with _desk.lock:
        if not _desk.batch:
            _desk.batch = dict(islice(_new().items(), MOST_AT_A_TIME))
            _desk.number += 1
        if not _desk.batch:
            return 0
        words: list[bytes | int] = [_desk.number, _REMEMBERED_S]
        for key, n in _desk.batch.items():
            words += [orjson.dumps(key), n]
        redis_clients.sync().eval(_ADD, 3, TOTALS, _desk.said, RUN, *words)
        done, _desk.batch = _desk.batch, {}
        for key, n in done.items():
            _desk.handed[key] = _desk.handed.get(key, 0) + n
        return len(done)


def totals() -> list[Sample]:
    """What all processes have counted, of metrics that are defined here as they were there. It begins anew where Redis
    does.

    :raises redis.RedisError: Redis is away
    """
    pipe: Any = redis_clients.sync().pipeline(transaction=False)
    pipe.info("server")
    pipe.get(RUN)
    pipe.hgetall(TOTALS)
    server, run, found = pipe.execute()
    if run is None or server["run_id"] != run.decode():
        return []
    samples = []
    for field, value in found.items():
        name, labels, part = orjson.loads(field)
        sample = Sample(name, tuple(labels), part, int(value) / (MICROS if part == SUM else 1))
        if fits(sample):
            samples.append(sample)
    return samples


def _new() -> dict[Key, int]:
    return {key: n - _desk.handed.get(key, 0) for key, n in cells.counted().items() if n != _desk.handed.get(key, 0)}


def _begin_anew() -> None:
    global _desk
    _desk = _Desk()


register_at_fork(after_in_child=_begin_anew)
