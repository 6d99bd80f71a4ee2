"""What workers do for Citadel. Arguments are ids; no secret is ever among them."""

from __future__ import annotations

from uuid import UUID

import celery
import redis

from citadel import checks, enrolment, generations, measured, services
from citadel.models import ExchangeAccount
from citadel.trail import alerts, collect
from obscura.core import log
from obscura.core.errors import Problem
from obscura.core.nudge.send import nudged
from tenants import scope

_logger = log.get("citadel")


@nudged("citadel.enrol")
def enrol(*, account_id: str, **_: object) -> None:
    """Carry a pending account on."""
    services.enrol(account_id=UUID(account_id))


@nudged("citadel.check")
def check(*, account_id: str, **_: object) -> None:
    """Ask the exchange again what an account's key may do. One that is no longer active needs no asking."""
    try:
        services.check_account(account_id=UUID(account_id), actor=enrolment.SYSTEM)
    except services.AccountUnchecked as late:
        _logger.info("citadel.unchecked", code=late.code)


@nudged("citadel.agree")
def agree(*, change_id: int, **_: object) -> None:
    """Have the signer change an account's limits."""
    services.agree(change_id=change_id)


@nudged("citadel.rewrap")
def rewrap(*, after: int = 0, **_: object) -> None:
    """Wrap a tenant's envelopes under its active key version. Killed, it comes back and goes on."""
    services.rewrap_envelopes(after=after)


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


@celery.shared_task(name="citadel.collect_audit", ignore_result=True)
def collect_audit(**_: object) -> None:
    """Write down what the signer did since. A signer that is away is asked again with the beat."""
    try:
        collect.collect()
    except collect.SignerBabbles as problem:
        _logger.error("citadel.uncollected", code=problem.code)
    except Problem as problem:
        _logger.debug("citadel.uncollected", code=problem.code)


@celery.shared_task(name="citadel.measure", ignore_result=True)
def measure(**_: object) -> None:
    """Lay down what the vault's processes say of their work, for those who may not ask them."""
    try:
        measured.hear()
    except redis.RedisError as error:
        _logger.warning("citadel.unmeasured", error=type(error).__name__)


@celery.shared_task(name="citadel.watch_audit", ignore_result=True)
def watch_audit(**_: object) -> None:
    """Raise alerts for what is unusual about the last minutes of the vault."""
    alerts.watch()


@celery.shared_task(name="citadel.turn_generations", ignore_result=True)
def turn_generations(**_: object) -> None:
    """Let the provider's key go from one generation to the next, where that is due. What cannot be now comes again."""
    try:
        generations.turn()
    except Problem as problem:
        _logger.warning("citadel.generations_wait", code=problem.code)


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
