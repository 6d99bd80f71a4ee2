"""Announcements go up: a lower app tells what happened, a higher one may listen, after the commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from django.db import transaction

_listeners: dict[type, list[Callable[[object], None]]] = defaultdict(list)


def listens_to(kind: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a listener for one kind of event. A listener nudges or calls one service, and does nothing else."""

    def register(listener: Callable[..., None]) -> Callable[..., None]:
        if listener not in _listeners[kind]:
            _listeners[kind].append(listener)
        return listener

    return register


def announce(event: object) -> None:
    """Tell all listeners of the event's class, once the present transaction has committed.

    What an announcement causes is also found by a sweep: losing one costs time, never a fact.
    """

    def tell() -> None:
        for listener in _listeners[type(event)]:
            listener(event)

    transaction.on_commit(tell)
