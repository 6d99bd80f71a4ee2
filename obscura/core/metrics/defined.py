"""Definitions: what there is to be measured, with the words that operators read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from obscura.core.metrics import cells

SUM = "sum"
MICROS = 1_000_000
"""In a second."""


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Sample(NamedTuple):
    """One number of a metric; `part` as in `cells.Key`. A bucket has what falls into it alone, a sum is in seconds."""

    name: str
    labels: tuple[str, ...]
    part: str
    value: float


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured.

    :param bounds: of a histogram: seconds
    :param known: values that the only label is known to have: they are told as 0 before anything was counted, since a
        reader sees no growth in what was not there before
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()
    known: tuple[str, ...] = ()

    def zeros(self) -> list[Sample]:
        """Of each known value, or of the metric where it has no label."""
        part = "0" if self.bounds else ""
        labels: list[tuple[str, ...]] = [(one,) for one in self.known] if self.labels else [()]
        return [Sample(self.name, one, part, 0) for one in labels]


DEFINED: dict[str, Metric] = {}
"""Every definition that was imported, by name."""


def fits(sample: Sample) -> bool:
    """Whether it is of a metric as it is defined here; another release may have counted something else."""
    metric = DEFINED.get(sample.name)
    if metric is None or len(metric.labels) != len(sample.labels):
        return False
    if not metric.bounds:
        return sample.part == ""
    return sample.part == SUM or (sample.part.isdecimal() and int(sample.part) <= len(metric.bounds))


class _Defined:
    def __init__(self, metric: Metric) -> None:
        if DEFINED.get(metric.name, metric) != metric:
            raise ValueError(f"{metric.name} is defined twice")
        self.metric = DEFINED[metric.name] = metric
        self.name = metric.name

    def at(self, value: float, *labels: str) -> Sample:
        """A number that was found elsewhere."""
        return Sample(self.name, labels, "", value)


class Counter(_Defined):
    """Only goes up. Its name ends in ``_total``."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = (), *, known: tuple[str, ...] = ()) -> None:
        super().__init__(Metric(name, Kind.COUNTER, help, tuple(labels), known=known))

    def add(self, *labels: str, n: int = 1) -> None:
        """Count; one value for each label."""
        cells.add((self.name, labels, ""), n)


class Gauge(_Defined):
    """Goes up and down. It is found, not counted."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        super().__init__(Metric(name, Kind.GAUGE, help, tuple(labels)))


class Histogram(_Defined):
    """How long things take."""

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), *, bounds: tuple[float, ...],
        known: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        super().__init__(Metric(name, Kind.HISTOGRAM, help, tuple(labels), bounds=bounds, known=known))
        self._bounds = bounds

    def took(self, seconds: float, *labels: str) -> None:
        """Count one that took so long. What seems to have ended before it began took nothing."""
        seconds = max(0.0, seconds)
        cells.add((self.name, labels, str(bisect_left(self._bounds, seconds))), 1)
        cells.add((self.name, labels, SUM), round(seconds * MICROS))

    def found(self, counts: Sequence[int], seconds: float, *labels: str) -> list[Sample]:
        """Counts by bucket, the last one for what is beyond the bounds, and a sum, as they were found elsewhere."""
        parts = [Sample(self.name, labels, str(bucket), count) for bucket, count in enumerate(counts)]
        return [*parts, Sample(self.name, labels, SUM, seconds)]
