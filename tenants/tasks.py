"""What workers do for all tenants alike."""

from __future__ import annotations

import celery

from tenants import audits


@celery.shared_task(name="audit.sequence", ignore_result=True)  # type: ignore[untyped-decorator]
def sequence() -> None:
    """Chain the entries of the audit that were written since."""
    audits.sequence()
