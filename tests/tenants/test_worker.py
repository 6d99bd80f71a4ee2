"""A real worker runs each task in the schema its message carries."""

from __future__ import annotations

import celery
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from obscura.core.nudge.models import Nudge
from obscura.core.nudge.send import nudge
from tenants.scope import PUBLIC, entered
from tests.support.processes import celery_worker, eventually, running

WORKER = celery_worker(["default"], include="tests.tenants.worker_tasks")


def names(tenant):
    with entered(tenant):
        return sorted(get_user_model().objects.values_list("name", flat=True))


def test_tasks_of_two_tenants_in_one_worker_write_each_in_their_own(committed, redis_db, alpha, beta, tmp_path):
    for number in range(5):
        for tenant in (alpha, beta):
            with entered(tenant):
                celery.current_app.send_task("tests.sign", kwargs={"mark": f"{number}"}, queue="default")

    with running(*WORKER, log=tmp_path / "worker.log"):
        eventually(lambda: len(names(alpha)) + len(names(beta)) == 10, log=tmp_path / "worker.log")

    assert names(alpha) == ["t_alpha"] * 5
    assert names(beta) == ["t_beta"] * 5
    assert names(PUBLIC) == []


def test_a_nudge_carries_its_tenant_and_is_gone_when_done(committed, redis_db, alpha, beta, tmp_path):
    with entered(beta), transaction.atomic():
        nudge("tests.sign_nudged", mark="n")

    with running(*WORKER, log=tmp_path / "worker.log"):
        with entered(PUBLIC):
            eventually(lambda: not Nudge.objects.exists(), log=tmp_path / "worker.log")

    assert names(beta) == ["t_beta"]
    assert names(alpha) == []


def test_a_message_of_an_unknown_tenant_writes_nothing_in_any(committed, redis_db, alpha, beta, tmp_path):
    """The worker cannot enter such a tenant; what comes after it in the queue still runs in its own."""
    app = celery.current_app
    app.send_task("tests.sign", kwargs={"mark": "lost"}, queue="default", headers={"_schema_name": "t_nowhere"})
    with entered(alpha):
        app.send_task("tests.sign", kwargs={"mark": "next"}, queue="default")

    with running(*WORKER, log=tmp_path / "worker.log"):
        eventually(lambda: names(alpha) == ["t_alpha"], log=tmp_path / "worker.log")

    assert names(beta) == []
    assert names(PUBLIC) == []


def test_the_broker_of_tests_is_not_the_products(redis_db):
    assert redis_db.connection_pool.connection_kwargs["db"] == settings.REDIS_DATABASE != 0
    assert isinstance(redis_db, redis.Redis)
