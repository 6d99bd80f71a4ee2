"""Who may read /metrics, and that it tells what is, how old it is, and of nobody."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import orjson
import pytest
import redis
from django.conf import settings
from django.test import AsyncClient, Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as families

from citadel import measured
from citadel.trail.alerts import acknowledge, raise_alert
from citadel.trail.models import Alert
from obscura import tasks
from obscura.core import alive, clock, metrics, redis_clients
from obscura.core.audit.write import record
from obscura.core.metrics import laid
from obscura.core.nudge.models import Nudge
from obscura.core.secrets import Secret
from obscura.ops.metrics.definitions import catalogue
from tenants import audits
from tenants.scope import PUBLIC, entered
from trading import metrics as trades
from trading.domain.order_state import Status
from trading.domain.reasons import Reason

TOKEN = "a-token-of-operators"  # noqa: S105


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch, redis_db: object) -> str:
    """It is set, and Redis is empty."""
    while metrics.hand_over():
        pass
    redis_clients.sync().flushdb()
    monkeypatch.setattr(settings, "METRICS_TOKEN", Secret(TOKEN))
    return TOKEN


def scrape(host: str = "10.0.0.7", *, given: str | None = f"Bearer {TOKEN}", method: str = "get", **more: str) -> Any:
    headers = more if given is None else {"Authorization": given, **more}
    return getattr(Client(SERVER_NAME=host), method)("/metrics", headers=headers)


def numbers(text: str | None = None) -> dict[str, float]:
    """Every sample of a page by its name and labels, as one writes them."""
    found = {}
    for family in families(text or scrape().text):
        for one in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(one.labels.items()))
            found[f"{one.name}{{{labels}}}" if labels else one.name] = one.value
    return found


@pytest.mark.parametrize("host", ["10.0.0.7", "alpha.testserver", "office.testserver", "nobody.example"])
def test_with_no_token_set_there_is_no_such_address(redis_db, host):
    answer = scrape(host, given="Bearer ")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"],
)
def test_without_the_right_token_nothing_is_told(token, given):
    answer = scrape(given=given)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == {
        "error": {
            "code": "unauthenticated", "message": "Who you are is not known.",
            "remedy": "Send the token of $OBSCURA_METRICS_TOKEN as a bearer token.",
        }
    }  # fmt: skip


def test_only_questions_are_answered(token):
    answer = scrape(method="post")

    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert (scrape(method="head").status_code, scrape(method="head").content) == (200, b"")


@pytest.mark.parametrize("host", ["10.0.0.7", "alpha.testserver", "office.testserver"])
def test_it_is_served_at_every_host_and_needs_no_database(token, host):
    # No test database is open here: a query would fail this.
    answer = scrape(host)

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert numbers(answer.text)["obscura_up{part=redis}"] == 1


async def test_it_is_served_to_coroutines(token):
    answer = await AsyncClient(SERVER_NAME="10.0.0.7").get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    assert (answer.status_code, "obscura_up" in answer.text) == (200, True)


def test_openmetrics_is_spoken_where_it_is_asked_for(token):
    answer = scrape(Accept="application/openmetrics-text; version=1.0.0")

    assert answer["Content-Type"].startswith("application/openmetrics-text")
    assert "obscura_copies_planned" in {family.name for family in openmetrics(answer.text)}


def test_what_copies_came_to_is_told_and_begins_at_nothing(token):
    before = numbers()
    trades.planned(copies=3, denied={Reason.NO_PRICE: 2})
    trades.reached({Status.FILLED: 2, Status.MISSED: 1})
    trades.FIRST.took(0.07, "paper")
    metrics.hand_over()

    after = numbers()

    moved = {name: value - before[name] for name, value in after.items() if value != before[name]}
    assert {name: value for name, value in moved.items() if "first_order" not in name} == {
        "obscura_copies_planned_total": 3,
        "obscura_copies_denied_total{reason=no_price}": 2,
        "obscura_copies_total{state=filled}": 2,
        "obscura_copies_total{state=missed}": 1,
    }
    first = "obscura_copy_first_order_seconds_bucket{environment=paper,le=%s}"
    assert [after[first % le] for le in ("0.05", "0.075", "+Inf")] == [0, 1, 1]
    assert after["obscura_copy_first_order_seconds_sum{environment=paper}"] == 0.07


def test_a_part_that_is_not_heard_is_told_by_its_age_and_not_by_its_last_numbers(token, monkeypatch):
    from citadel import metrics as vaults

    metrics.lay("signer", [vaults.UPTIME.at(7)])
    fresh = numbers()
    now = time.time()
    monkeypatch.setattr(laid.time, "time", lambda: now + 45)
    stale = numbers()

    assert (fresh["obscura_up{part=signer}"], fresh["obscura_signer_uptime_seconds"]) == (1, 7)
    assert stale["obscura_up{part=signer}"] == 0
    assert 45 <= stale["obscura_heard_age_seconds{part=signer}"] < 55
    assert "obscura_signer_uptime_seconds" not in stale
    assert fresh["obscura_up{part=egress}"] == 0  # it was never heard
    assert "obscura_heard_age_seconds{part=egress}" not in fresh


def test_processes_are_told_by_kind(token):
    for pid in (1, 2):
        body = {"process": "orders", "pid": pid, "at": time.time() - 5 * pid}
        redis_clients.sync().hset(alive.KEY, f"orders:{pid}", orjson.dumps(body))
    silent = {"process": "guard", "pid": 3, "at": time.time() - 300}
    redis_clients.sync().hset(alive.KEY, "guard:3", orjson.dumps(silent))

    found = numbers()

    assert found["obscura_processes{process=orders}"] == 1  # ten seconds are too many
    assert 5 <= found["obscura_process_age_seconds{process=orders}"] < 9
    assert found["obscura_processes{process=guard}"] == 0
    assert 300 <= found["obscura_process_age_seconds{process=guard}"] < 309


def test_queues_are_told_by_their_length(token):
    redis_clients.sync().rpush("critical", "one", "two")

    found = numbers()

    assert (found["obscura_queue_messages{queue=critical}"], found["obscura_queue_messages{queue=low}"]) == (2, 0)


def test_the_tables_are_told_of_as_a_worker_saw_them(token, alpha):
    now = clock.now()
    for task, dead, due in (("a.b", False, 60), ("a.b", False, -100), ("a.b", False, -5), ("c.d", True, -900)):
        Nudge.objects.create(
            tenant="t_alpha", task=task, queue="default", due=now + timedelta(seconds=due), dead=dead, created_at=now
        )
    record("test.done", actor="ada", subject="thing:1")
    with entered(PUBLIC):
        raise_alert("signer_started", at=now)
        raise_alert("withdrawal_asked", at=now)
        acknowledge(alert_id=Alert.objects.get(kind="signer_started").pk, actor="stella")

    tasks.measure()
    found = numbers()

    assert found["obscura_up{part=tables}"] == 1
    assert [found[f"obscura_nudges{{state={state},task=a.b}}"] for state in ("waiting", "overdue", "dead")] == [1, 2, 0]
    assert found["obscura_nudges{state=dead,task=c.d}"] == 1
    assert 100 <= found["obscura_nudges_overdue_oldest_seconds"] < 110  # what is dead is not waited for
    assert {name: value for name, value in found.items() if "alerts_open" in name} == {
        "obscura_alerts_open{kind=withdrawal_asked}": 1
    }
    assert found["obscura_audit_unchained"] == 4  # one of Alpha, three of the platform about its alerts
    audits.sequence()
    tasks.measure()
    assert numbers()["obscura_audit_unchained"] == 0


def test_the_state_of_the_chains_is_what_was_found_last(token, monkeypatch):
    assert not [name for name in numbers() if name.startswith("obscura_audit")]
    measured.verified(how="walked", broken=0)
    measured.verified(how="against", broken=2)
    now = time.time()
    monkeypatch.setattr(measured.time, "time", lambda: now + 500)

    found = numbers()

    assert (found["obscura_audit_chains_broken{how=walked}"], found["obscura_audit_chains_broken{how=against}"]) == (
        0,
        2,
    )
    assert 500 <= found["obscura_audit_verified_age_seconds{how=walked}"] < 510


def test_a_worker_without_tables_lays_down_nothing(token, monkeypatch):
    from django.db import OperationalError

    from obscura.ops.metrics import tables

    def away() -> None:
        raise OperationalError

    monkeypatch.setattr(tables, "_promises", away)
    tasks.measure()

    assert numbers()["obscura_up{part=tables}"] == 0


def test_while_redis_is_away_that_is_what_is_told(token, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(redis_clients.sync(), "pipeline", away)

    assert numbers() == {"obscura_up{part=redis}": 0}


def test_no_label_can_name_anybody():
    allowed = {
        "code", "environment", "exchange", "how", "kind", "market", "part", "policy", "process", "queue", "reason",
        "result", "state", "task",
    }  # fmt: skip
    assert {label for one in catalogue() for label in one.labels} == allowed


def test_the_token_cannot_be_printed(token):
    assert TOKEN not in repr(settings.METRICS_TOKEN) + str(settings.METRICS_TOKEN)


def test_the_page_of_docs_says_what_each_metric_is():
    text = (settings.BASE_DIR / "docs" / "metrics.md").read_text()
    table = [line for line in text.splitlines() if line.startswith("| `")]

    assert table == [
        f"| `{one.name}`{', a histogram' if one.bounds else ''} | {', '.join(one.labels) or '–'} | {one.help} |"
        for one in catalogue()
    ]
