"""How urgent a signal is, and the queue that serves it."""

from __future__ import annotations

CRITICAL, HIGH, NORMAL, LOW = 0, 10, 50, 100

BY_NAME = {"critical": CRITICAL, "high": HIGH, "normal": NORMAL, "low": LOW}
NAMES = {number: name for name, number in BY_NAME.items()}


def class_of(priority: int) -> int:
    """The named priority that a number counts as; one between two names goes with the less urgent one."""
    return next((number for number in (CRITICAL, HIGH, NORMAL) if priority <= number), LOW)


def queue_of(priority: int) -> str:
    """The Celery queue of a priority."""
    return NAMES[class_of(priority)]
