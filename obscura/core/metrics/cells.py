"""What this process has counted. Each thread counts for itself, so counting is one addition and takes no lock."""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter

Key = tuple[str, tuple[str, ...], str]
"""A metric, the values of its labels, and which part of it: empty, a histogram's bucket by number, or ``sum``."""

MOST = 200
"""Series of one metric in a thread; what comes beyond is counted as ``other``. A label that grows so far is a fault."""

OTHER = "other"


class _Own(threading.local):
    """The counts of the thread that looks."""

    def __init__(self) -> None:
        self.counts: dict[Key, int] = {}
        with _lock:
            _threads.append((weakref.ref(threading.current_thread()), self.counts))


_lock = threading.Lock()
_threads: list[tuple[weakref.ref[threading.Thread], dict[Key, int]]] = []
_ended: Counter[Key] = Counter()
_own = _Own()


def add(key: Key, n: int) -> None:
    """Count `n` more."""
    counts = _own.counts
    try:
        counts[key] += n
    except KeyError:
        _first(counts, key, n)


def counted() -> Counter[Key]:
    """All that this process has counted since it began, of all its threads."""
    with _lock:
        for one in [one for one in _threads if _is_over(one[0]())]:
            _threads.remove(one)
            _ended.update(one[1])
        total = Counter(_ended)
        for _, counts in _threads:
            total.update(counts.copy())  # a copy is made at once; its thread may go on counting
    return total


def _first(counts: dict[Key, int], key: Key, n: int) -> None:
    name, labels, part = key
    if sum(known[0] == name for known in counts) >= MOST:
        key = (name, (OTHER,) * len(labels), part)
    counts[key] = counts.get(key, 0) + n


def _is_over(thread: threading.Thread | None) -> bool:
    return thread is None or not thread.is_alive()


def _begin_anew() -> None:
    """In a child that was just forked: what its parent counted is the parent's."""
    global _lock, _own
    _lock = threading.Lock()
    _threads.clear()
    _ended.clear()
    _own = _Own()


os.register_at_fork(after_in_child=_begin_anew)
