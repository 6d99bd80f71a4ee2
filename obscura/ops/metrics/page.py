"""The page itself: everything that Redis has, in the format that was asked for. No table and no socket is looked at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

import redis
from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

import trading.metrics
from citadel import measured
from obscura.celery import JOB_QUEUES, ORDER_QUEUES
from obscura.core import alive, log, metrics, redis_clients
from obscura.core.metrics import Kind, Metric, Sample
from obscura.core.metrics.defined import SUM
from obscura.ops.metrics.definitions import HEARD_AGE, PROCESS_AGE, PROCESSES, QUEUED, UP, catalogue
from obscura.ops.metrics.tables import PART

_logger = log.get("metrics")

Values = dict[tuple[str, ...], dict[str, float]]
"""By labels, the parts of a metric."""


def page(accept: str) -> tuple[bytes, str]:
    """The page and its content type.

    :param accept: the Accept header: OpenMetrics where it is asked for, Prometheus's text otherwise
    """
    encode, content_type = choose_encoder(accept)
    return encode(_Collected(gather())), content_type


def gather() -> list[Sample]:
    """All samples there are to be had. Where Redis is away that is one: it is."""
    try:
        return [UP.at(1, "redis"), *_counted(), *_laid(), *measured.chains(), *_processes(), *_queues()]
    except redis.RedisError as error:
        _logger.warning("metrics.no_redis", error=type(error).__name__)
        return [UP.at(0, "redis")]


def _counted() -> list[Sample]:
    return [*metrics.totals(), *(zero for one in trading.metrics.COUNTED for zero in one.metric.zeros())]


def _laid() -> Iterator[Sample]:
    for part in (*measured.PARTS, PART):
        found = metrics.found(part)
        yield UP.at(int(found.fresh), part)
        if found.age_s is not None:
            yield HEARD_AGE.at(found.age_s, part)
        yield from found.samples


def _processes() -> Iterator[Sample]:
    now = Counter(str(row["process"]) for row in alive.processes())
    for name, age in alive.ages().items():
        yield PROCESSES.at(now[name], name)
        yield PROCESS_AGE.at(age, name)


def _queues() -> list[Sample]:
    names = (*ORDER_QUEUES, *JOB_QUEUES)
    pipe = redis_clients.sync().pipeline(transaction=False)
    for name in names:
        pipe.llen(name)
    return [QUEUED.at(length, name) for name, length in zip(names, pipe.execute(), strict=True)]


class _Collected:
    """Samples as the library wants them; what comes twice is added up."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._values: dict[str, Values] = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
        for name, labels, part, value in samples:
            self._values[name][labels][part] += value

    def collect(self) -> Iterator[Family]:
        for metric in catalogue():
            if metric.name in self._values:
                yield _family(metric, self._values[metric.name])


def _family(metric: Metric, values: Values) -> Family:
    make: Any = {
        Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily, Kind.HISTOGRAM: HistogramMetricFamily,
    }[metric.kind]  # fmt: skip
    family = make(metric.name, metric.help, labels=metric.labels)
    for labels in sorted(values):
        parts = values[labels]
        if metric.kind is Kind.HISTOGRAM:
            family.add_metric(labels, buckets=_buckets(metric, parts), sum_value=parts.get(SUM, 0))
        else:
            family.add_metric(labels, parts[""])
    return family  # type: ignore[no-any-return]


def _buckets(metric: Metric, parts: dict[str, float]) -> list[tuple[str, float]]:
    """Each bucket with all that is below it, as the format has it."""
    counts = accumulate(parts.get(str(number), 0) for number in range(len(metric.bounds) + 1))
    return [
        (floatToGoString(bound), count) for bound, count in zip((*metric.bounds, float("inf")), counts, strict=True)
    ]
