"""Counting. A process counts in memory and hands over what is new with its heartbeat; whoever is asked adds up.

A definition (`Counter`, `Gauge`, `Histogram`) is made once, beside what it counts. Labels are few and known: a kind, a
code, a state; never a tenant, a person, an account, a symbol or anything that somebody sent.
"""

from obscura.core.metrics.defined import DEFINED, Counter, Gauge, Histogram, Kind, Metric, Sample
from obscura.core.metrics.laid import Found, found, lay
from obscura.core.metrics.summed import hand_over, totals

__all__ = [
    "DEFINED",
    "Counter",
    "Found",
    "Gauge",
    "Histogram",
    "Kind",
    "Metric",
    "Sample",
    "found",
    "hand_over",
    "lay",
    "totals",
]
