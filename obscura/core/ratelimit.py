"""Token buckets in Redis: one atomic script, the server's own clock, the same for all processes."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from obscura.core import log, redis_clients
from obscura.core.errors import Unavailable

_logger = log.get("ratelimit")

# KEYS[1] the bucket; ARGV: capacity, tokens a second, cost. Returns allowed, tokens left, microseconds to wait.
_TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local capacity, rate, cost = tonumber(ARGV[1]), tonumber(ARGV[2]) / 1000000, tonumber(ARGV[3])
local was = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(was[1]) or capacity
tokens = math.min(capacity, tokens + math.max(0, now - (tonumber(was[2]) or now)) * rate)
local allowed, wait = 0, 0
if tokens >= cost then
  tokens, allowed = tokens - cost, 1
else
  wait = math.ceil((cost - tokens) / rate)
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - tokens) / rate / 1000) + 1000)
return {allowed, math.floor(tokens), wait}
"""
_scripts: dict[int, object] = {}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many within so many seconds; a bucket that is full allows them at once."""

    limit: int
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bucket said. `wait_s` is 0 when allowed; `full_in_s` is when the whole limit is there again."""

    allowed: bool
    rate: Rate
    left: int
    wait_s: float

    @property
    def full_in_s(self) -> float:
        return (self.rate.limit - self.left) * self.rate.seconds / self.rate.limit


def take(bucket: str, *, rate: Rate, cost: int = 1, without_redis: bool = True) -> Verdict:
    """Take tokens from a bucket, or learn how long to wait.

    :param bucket: its name; whoever shares it shares the limit
    :param without_redis: what holds while Redis is away: True lets through, False refuses
    :raises Unavailable: Redis is away and the caller would rather refuse
    """
    client = redis_clients.sync()
    script = _scripts.get(id(client)) or _scripts.setdefault(id(client), client.register_script(_TAKE))
    try:
        allowed, left, wait = script(  # type: ignore[operator]
            keys=[f"obscura:rate:{bucket}"], args=[rate.limit, rate.limit / rate.seconds, cost]
        )
    except redis.RedisError as error:
        _logger.warning("ratelimit.lost", error=type(error).__name__)
        if not without_redis:
            raise Unavailable from error
        return Verdict(allowed=True, rate=rate, left=rate.limit, wait_s=0)
    return Verdict(allowed=bool(allowed), rate=rate, left=int(left), wait_s=int(wait) / 1_000_000)
