"""What workers do for Citadel. Arguments are ids; no secret is ever among them."""

from __future__ import annotations

from uuid import UUID

import celery

from citadel import checks, enrolment, services
from citadel.models import ExchangeAccount
from obscura.core import log
from obscura.core.errors import Problem
from obscura.core.nudge.send import nudged
from tenants import scope

_logger = log.get("citadel")


@nudged("citadel.enrol")
def enrol(*, account_id: str, **_: object) -> None:
    """Carry a pending account on."""
    services.enrol(account_id=UUID(account_id))


@nudged("citadel.rewrap")
def rewrap(**_: object) -> None:
    """Wrap a tenant's envelopes under its active key version. Killed, it comes back and goes on."""
    services.rewrap_envelopes()


@nudged("citadel.forget")
def forget(*, account_id: str, **_: object) -> None:
    """Close an account in the signer."""
    services.forget(account_id=UUID(account_id))


@nudged("citadel.tell_permits")
def tell_permits(**_: object) -> None:
    """Tell the signer what a tenant has permitted."""
    services.tell_permits()


@celery.shared_task(name="citadel.publish_intake_key", ignore_result=True)
def publish_intake_key(**_: object) -> None:
    """Write down the signer's intake key, where it is a new one. A signer that is away is asked again with the beat."""
    try:
        services.publish_intake_key()
    except Problem as problem:
        _logger.warning("citadel.unpublished", code=problem.code)


@celery.shared_task(name="citadel.check_all", ignore_result=True)
def check_all(**_: object) -> None:
    """Ask the exchanges again what every active account's key may do, tenant by tenant; and of those that still wait,
    where nobody came to ask."""
    for tenant in scope.each(reason="permissions of exchange accounts"):
        for account_id in ExchangeAccount.objects.filter(status="active").values_list("pk", flat=True):
            try:
                services.check_account(account_id=account_id, actor=enrolment.SYSTEM)
            except Problem as problem:
                _logger.warning("citadel.unchecked", tenant=tenant.schema_name, code=problem.code)
        checks.due_of_waiting()
