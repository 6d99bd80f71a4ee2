"""Write audit rows."""

from __future__ import annotations

from typing import Any

from obscura.core import clock


def record(action: str, *, actor: str, subject: str, **facts: Any) -> None:
    """Write one row in the present schema and transaction.

    :param action: dotted name of what happened, e.g. ``pools.subscription.paused``
    :param actor: who, as text: a user id, ``key:<prefix>`` or ``system``
    :param subject: on what, as text: ``kind:id``
    """
    from obscura.core.audit.models import Entry

    Entry.objects.create(at=clock.now(), actor=actor[:120], action=action, subject=subject[:120], facts=facts)
