"""Figures out of times: medians, spreads and rates of a run. Times in microseconds in, milliseconds out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Copies(NamedTuple):
    """When a lead's trade was written by the venue, and when the venue accepted each copy (epoch microseconds)."""

    lead: int
    orders: Sequence[int]


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of all lie, between two neighbours in proportion; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    place = (len(ordered) - 1) * part
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(values: Sequence[float]) -> float:
    """The middle value; 0 of none."""
    return quantile(values, 0.5)


def latencies(runs: Iterable[Copies]) -> dict[str, float]:
    """`first_order_ms`, `median_order_ms`, `last_order_ms`: medians over the lead trades that were copied."""
    copied = [one for one in runs if one.orders]
    after = [[(at - one.lead) / 1000 for at in one.orders] for one in copied]
    return {
        "first_order_ms": ms(median([min(times) for times in after])),
        "median_order_ms": ms(median([median(times) for times in after])),
        "last_order_ms": ms(median([max(times) for times in after])),
    }


def ms(value: float) -> float:
    """Milliseconds to two places, as they are printed."""
    return round(value, 2)


def per_copy(used_ns: Mapping[str, int], names: Iterable[str], copies: int) -> float:
    """CPU microseconds a copy of the named processes together; 0 without copies."""
    return round(sum(used_ns.get(name, 0) for name in names) / 1000 / copies, 1) if copies else 0.0
