"""Samples that a worker has looked up, laid down in Redis for those who may not look themselves. What nobody renews is
told no longer, and its age says why."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple, cast

import orjson

from obscura.core import redis_clients
from obscura.core.metrics.defined import Sample, fits

STALE_S = 30.0
"""What is older says nothing of now."""
KEPT_S = 3_600
MOST = 2_000
"""Samples of one part. So many come of a fault alone: labels are few and known."""

_KEY = "obscura:metrics:laid:"


class TooManySamples(Exception):
    """A label has grown without end."""


class Found(NamedTuple):
    """What was laid down.

    :param age_s: since it was; None: not within the last hour
    :param samples: none where they are stale
    """

    age_s: float | None
    samples: list[Sample]

    @property
    def fresh(self) -> bool:
        """Whether it says how things are now."""
        return self.age_s is not None and self.age_s < STALE_S


def lay(part: str, samples: Iterable[Sample]) -> None:
    """Lay down the samples of a part, in place of those before.

    :raises TooManySamples: they are more than `MOST`; nothing was laid down
    :raises redis.RedisError: Redis is away
    """
    found = list(samples)
    if len(found) > MOST:
        raise TooManySamples(f"{part}: {len(found)}")
    redis_clients.sync().set(_KEY + part, orjson.dumps([time.time(), [list(one) for one in found]]), ex=KEPT_S)


def found(part: str) -> Found:
    """What was laid down last.

    :raises redis.RedisError: Redis is away
    """
    body = cast("bytes | None", redis_clients.sync().get(_KEY + part))
    if body is None:
        return Found(None, [])
    at, rows = orjson.loads(body)
    age = max(0.0, time.time() - at)
    samples = [Sample(name, tuple(labels), *rest) for name, labels, *rest in rows] if age < STALE_S else []
    return Found(age, [one for one in samples if fits(one)])
