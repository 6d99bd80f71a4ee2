"""Celery: four queues for orders, served strictly in order of urgency, and two for everything else."""

from __future__ import annotations

import os
from typing import Any

from celery.schedules import crontab
from celery.signals import task_prerun, worker_process_init, worker_ready
from django.conf import settings
from django.db import close_old_connections, connections
from kombu import Queue
from tenant_schemas_celery.app import CeleryApp

from obscura.core import alive

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obscura.settings.local")

ORDER_QUEUES = ("critical", "high", "normal", "low")
JOB_QUEUES = ("default", "billing")

app = CeleryApp("obscura", task_cls="obscura.core.db.tenant_task:TenantTask")
app.conf.update(
    broker_url=settings.REDIS_URL,
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
    task_tenant_cache_seconds=30,
    task_default_queue="default",
    task_queues=[Queue(name) for name in (*ORDER_QUEUES, *JOB_QUEUES)],
    # One list a queue and the order of -Q kept: critical is always looked at first. The long visibility timeout is
    # on purpose: a message that comes back early would be a second run, and the sweep recovers what is lost.
    broker_transport_options={
        "queue_order_strategy": "priority",
        "priority_steps": [0],
        "visibility_timeout": 3600,
        "socket_timeout": None,
        # A broker that is away is said so at once, not after six seconds: the nudge is a row, and the sweep sends it.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
    },
    beat_schedule={
        "nudge.sweep": {"task": "nudge.sweep", "schedule": 1.0, "options": {"queue": "default", "expires": 5}},
        "audit.sequence": {"task": "audit.sequence", "schedule": 3.0, "options": {"queue": "default", "expires": 3}},
        "trading.sweep": {"task": "trading.sweep_all", "schedule": 1.0, "options": {"queue": "default", "expires": 5}},
        "trading.brackets": {
            "task": "trading.refresh_brackets",
            "schedule": 10.0,
            "options": {"queue": "default", "expires": 10},
        },
        "trading.checks": {
            "task": "trading.check_accounts",
            "schedule": 3.0,
            "options": {"queue": "default", "expires": 3},
        },
        "trading.stops": {"task": "trading.keep_stops", "schedule": 1.0, "options": {"queue": "default", "expires": 3}},
        "pools.sweep": {"task": "pools.sweep", "schedule": 60.0, "options": {"queue": "default", "expires": 50}},
        "trading.record_days": {
            "task": "trading.record_days",
            "schedule": 600.0,
            "options": {"queue": "default", "expires": 500},
        },
        "pools.settle_month": {
            "task": "pools.settle_month",
            "schedule": crontab(day_of_month="1", hour=0, minute=7),
            "options": {"queue": "default", "expires": 3600},
        },
        "citadel.publish_intake_key": {
            "task": "citadel.publish_intake_key",
            "schedule": 60.0,
            "options": {"queue": "default", "expires": 50},
        },
        "citadel.collect_audit": {
            "task": "citadel.collect_audit",
            "schedule": 2.0,
            "options": {"queue": "default", "expires": 2},
        },
        "citadel.measure": {
            "task": "citadel.measure",
            "schedule": 5.0,
            "options": {"queue": "default", "expires": 5},
        },
        "obscura.measure": {
            "task": "obscura.measure",
            "schedule": 10.0,
            "options": {"queue": "default", "expires": 10},
        },
        "citadel.watch_audit": {
            "task": "citadel.watch_audit",
            "schedule": 60.0,
            "options": {"queue": "default", "expires": 50},
        },
        "citadel.turn_generations": {
            "task": "citadel.turn_generations",
            "schedule": crontab(minute="*/5"),
            "options": {"queue": "default", "expires": 280},
        },
        "citadel.check_all": {
            "task": "citadel.check_all",
            "schedule": crontab(hour=4, minute=17),
            "options": {"queue": "default", "expires": 3600},
        },
    },
)
# Celery would close the database, pool and all, around every task: a new PostgreSQL session each time. A child runs one
# task at a time and keeps one session instead (`_one_session`), looked at before each task and replaced when broken.
app.conf["CELERY_DB_REUSE_MAX"] = 1_000_000_000
app.set_default()


@worker_process_init.connect(weak=False)
def _one_session(**_: Any) -> None:
    for database in connections.databases.values():
        database["OPTIONS"] = {name: value for name, value in database["OPTIONS"].items() if name != "pool"}
        database["CONN_MAX_AGE"] = None


@task_prerun.connect(weak=False)
def _usable_session(task: Any, **_: Any) -> None:
    if not task.request.is_eager:
        close_old_connections()


@worker_ready.connect(weak=False)
def _report(sender: Any, **_: object) -> None:
    """Report this worker by its name, from its own loop: a thread beside it would be copied, half, by every fork."""
    name = str(sender.hostname).partition("@")[0]
    alive.say(name)
    sender.timer.call_repeatedly(alive.INTERVAL_S, alive.say, (name,))
