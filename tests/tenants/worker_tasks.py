"""Tasks for a worker of a test."""

from __future__ import annotations

import celery
from django.contrib.auth import get_user_model

from obscura.core.nudge.send import nudged
from tenants.scope import current


@celery.shared_task(name="tests.sign")
def sign(*, mark: str) -> None:
    """Leave a person whose name is the schema the task ran in."""
    get_user_model().objects.create(email=f"{mark}@example.com", name=current())


@nudged("tests.sign_nudged")
def sign_nudged(*, mark: str) -> None:
    """The same, promised by a nudge."""
    get_user_model().objects.create(email=f"{mark}@example.com", name=current())
