"""The beat's side of nudges."""

from __future__ import annotations

import celery

from obscura.core.nudge import send


@celery.shared_task(name="nudge.sweep", ignore_result=True)  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Send again what is overdue."""
    send.sweep()
