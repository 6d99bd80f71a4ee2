"""Celery's side of trading: ids in, one call, nothing else."""

from __future__ import annotations

from uuid import UUID

import celery
import psycopg
import redis
from celery.signals import worker_process_init, worker_process_shutdown
from django.db import connection

import tenants.scope
from obscura.core import alive, clock, log, redis_clients
from obscura.core.errors import Unavailable
from obscura.core.nudge.send import nudge, nudged
from pools import services as pools
from tenants import directory
from tenants.models import Tenant
from trading import keys, standing
from trading.conductor.plan import plan as plan_pool
from trading.domain import priorities
from trading.execution import db, reconcile, trades
from trading.execution import execute as execution
from trading.execution.accounts import brackets, checks, drift
from trading.execution.lane import lane
from trading.execution.protect import keep as protect
from trading.execution.submit import land, let_fly
from trading.guard import closes
from trading.guard import round as guard_round
from trading.sentinel import ingest
from trading.signals import tasks as signal_tasks

_logger = log.get("trading")

ENLIST_S = 60
"""How often new copies are looked for, to be checked from then on."""

relay, group = signal_tasks.relay, signal_tasks.group


class TradesUnknown(Unavailable):
    """The exchange did not name the trades of some orders yet."""

    code = "trades_unknown"


CHUNKS_AT_ONCE = 40
"""A worker that plans goes back to its queues after so many: what is more urgent in another pool may wait there."""


@nudged("trading.plan")
def plan(*, pool_id: str, urgency: int = priorities.LOW) -> None:
    """Plan the waiting signals of a pool that are at least so urgent."""
    tenant = directory.tenant_by_schema(connection.schema_name)
    planned = plan_pool(tenant=tenant, pool_id=UUID(pool_id), urgency=urgency, most=CHUNKS_AT_ONCE, fly=let_fly)
    if planned == CHUNKS_AT_ONCE:
        nudge("trading.plan", queue=priorities.queue_of(urgency), pool_id=pool_id, urgency=urgency)


@nudged("trading.execute")
def execute(*, signal_id: int, first: int, last: int) -> None:
    """Claim and send a range of planned orders."""
    execution.execute(schema=connection.schema_name, signal_id=signal_id, first=first, last=last, fly=let_fly)


@nudged("trading.fetch_trades")
def fetch_trades(*, signal_id: int, orders: list[int]) -> None:
    """Fetch the trades that an order's answer did not name."""
    if trades.fetch(schema=connection.schema_name, signal_id=signal_id, orders=orders):
        raise TradesUnknown


@nudged("trading.fetch_brackets")
def fetch_brackets(*, account_id: str, environment: str, exchange: str, symbol: str) -> None:
    """Fetch the leverage brackets of a symbol, for which an open was denied."""
    brackets.fetch(
        schema=connection.schema_name,
        account_id=UUID(account_id),
        environment=environment,
        exchange=exchange,
        symbol=symbol,
    )


@nudged("trading.check_key")
def check_key(*, account_id: str, **_: object) -> None:
    """Ask an exchange what an account's key may do."""
    keys.check(account_id=UUID(account_id))


@nudged("trading.learn_brackets")
def learn_brackets(*, account_id: str) -> None:
    """Learn through a new account what leverage its exchange gives."""
    brackets.learn(account_id=UUID(account_id))


@celery.shared_task(name="trading.refresh_brackets", ignore_result=True)
def refresh_brackets() -> None:
    """Know the leverage brackets of every symbol in use before somebody opens in it, and anew each day."""
    brackets.refresh()


@celery.shared_task(name="trading.check_accounts", ignore_result=True)
def check_accounts() -> None:
    """Hold the accounts that are due against the venue, in every tenant."""
    enlisting = bool(redis_clients.sync().set("obscura:checks:enlisted", "1", nx=True, ex=ENLIST_S))
    for tenant in tenants.scope.each(reason="accounts held against the venue"):
        if enlisting:
            checks.enlist(schema=tenant.schema_name)
        counts = drift.check(schema=tenant.schema_name)
        if counts["different"]:
            _logger.info("drift", schema=tenant.schema_name, **counts)


@celery.shared_task(name="trading.keep_stops", ignore_result=True)
def keep_stops() -> None:
    """Keep at the venues the stops that protect copies there, in every tenant."""
    for tenant in tenants.scope.each(reason="stops at the venues"):
        try:
            counts = protect.keep(tenant=tenant)
        except Exception as error:  # noqa: BLE001 - one tenant must not keep the others without protection
            _logger.error("stops.failed", schema=tenant.schema_name, exc_info=error)
            continue
        if any(counts.values()):
            _logger.info("stops", schema=tenant.schema_name, **counts)


@nudged("trading.close_halted")
def close_halted(**_: object) -> None:
    """Close what is open here under a kill switch that says so."""
    schema = connection.schema_name
    with tenants.scope.entered(tenants.scope.PUBLIC):  # as it is now, not as it is remembered
        tenant = Tenant.objects.get(schema_name=schema)
    guard_round.close_halted(tenant=tenant, now=clock.now())


@nudged("trading.close_user")
def close_user(*, user_id: str, **_: object) -> None:
    """Close everything a follower holds."""
    closes.close_all_of(user_id=UUID(user_id), actor="system")


@celery.shared_task(name="trading.sweep_all", ignore_result=True)
def sweep_all() -> None:
    """Look after unfinished signals of every tenant."""
    for tenant in tenants.scope.each(reason="copy sweep"):
        counts = {"grouped": ingest.sweep(), **reconcile.sweep(schema=tenant.schema_name, fly=let_fly)}
        if any(counts.values()):
            _logger.info("sweep", schema=tenant.schema_name, **counts)


@celery.shared_task(name="trading.record_days", ignore_result=True)
def record_days(**_: object) -> None:
    """Write down where every subscription stands, for the records of pools."""
    for tenant in tenants.scope.each(reason="records of pools"):
        pools.record_day(open_results=standing.open_results(schema=tenant.schema_name))


@worker_process_init.connect(weak=False)
def _born(**_: object) -> None:
    """A child of a worker has just been forked: what the first order would wait for is made now."""
    alive.in_thread("worker")
    try:
        db.session()
        lane()
        redis_clients.sync().ping()
    except (OSError, psycopg.Error, redis.RedisError) as error:
        _logger.warning("worker.cold", error=type(error).__name__)  # each is made again when it is needed


@worker_process_shutdown.connect(weak=False)
def _gone(**_: object) -> None:
    """A child ends in peace: results that are on their way are written first, and what it counted is handed over."""
    land()
    alive.say("worker")
