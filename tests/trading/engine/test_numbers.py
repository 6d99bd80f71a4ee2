"""A real scrape: the served page tells of copies, vault and tables, and the alert rules ask for what is on it."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from prometheus_client.parser import text_string_to_metric_families as families
from promql_parser import VectorSelector

from citadel import tasks as vault
from citadel.trail.alerts import raise_alert
from obscura import tasks
from obscura.core import alive, clock, metrics, redis_clients
from tenants.scope import PUBLIC, entered
from tests.journeys.served import ROOT, Served
from trading.domain.order_state import Status
from trading.execution import reconcile
from trading.models import Signal

RULES = ROOT / "deploy" / "metrics" / "alerts.yml"
TOKEN = "a-token-of-operators"  # noqa: S105
ATTESTED = {"obscura_attestation_accepted", "obscura_attestation_verdict_age_seconds"}
"""Told by a signer that must be attested, which this one must not."""


@pytest.fixture
def served(committed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The web server, which may not ask the vault."""
    monkeypatch.setenv("OBSCURA_METRICS_TOKEN", TOKEN)
    monkeypatch.setenv("OBSCURA_ROLE", "web")
    one = Served(tmp_path / "web.log")
    monkeypatch.delenv("OBSCURA_ROLE")
    yield one
    one.stop()


@pytest.fixture
def measuring(stand: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand, whose numbers so far are forgotten."""
    monkeypatch.setattr(settings, "RUN_DIR", str(stand.vault.directory))
    while metrics.hand_over():
        pass
    redis_clients.sync().delete("obscura:metrics:totals")
    return stand


def scrape(served: Served) -> str:
    link = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    try:
        link.request("GET", "/metrics", headers={"Host": "10.0.0.7", "Authorization": f"Bearer {TOKEN}"})
        answer = link.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        link.close()


def samples(text: str) -> list[Any]:
    return [sample for family in families(text) for sample in family.samples]


def value(text: str, name: str, **labels: str) -> float:
    """All samples of this name and at least these labels, added up."""
    return sum(one.value for one in samples(text) if one.name == name and labels.items() <= one.labels.items())


def copied(stand: Any) -> Signal:
    """One signal that Ben copies and Cleo, whose account is paused, does not; done to its end."""
    ben, cleo = stand.follower("ben"), stand.follower("cleo")
    cleo.status = "paused"
    cleo.save(update_fields=["status"])
    signal = stand.signal("buy")
    stand.plan()
    assert stand.order(ben, signal).status == Status.FILLED
    Signal.objects.filter(pk=signal.pk).update(planned_at=clock.now().replace(year=2020))
    reconcile.sweep(schema=stand.tenant.schema_name)
    return signal


def measured() -> None:
    """What heartbeats and the clock of the jobs bring about."""
    alive.say("orders")
    vault.measure()
    tasks.measure()


def test_a_copy_is_told_from_the_signal_to_the_signature(measuring, served):
    vault.measure()
    before = scrape(served)
    signal = copied(measuring)
    assert Signal.objects.get(pk=signal.pk).state == "done"
    measured()

    after = scrape(served)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("obscura_copies_planned_total") == 1
    assert grown("obscura_copies_total", state="filled") == 1
    assert grown("obscura_copies_total", state="missed") == 0
    for which in ("first", "last"):
        assert grown(f"obscura_copy_{which}_order_seconds_count", environment="paper") == 1
    assert grown("obscura_signer_signed_total", kind="order", exchange="binance") == 1
    assert grown("obscura_signer_chunk_seconds_count") >= 1
    assert grown("obscura_egress_requests_total", exchange="binance", environment="paper", result="answered") >= 1
    assert value(after, "obscura_signer_credentials_open", policy="read") >= 1
    assert value(after, "obscura_orders_in_flight") == 0
    assert {
        part: value(after, "obscura_up", part=part) for part in ("redis", "signer", "egress", "tables")
    } == dict.fromkeys(("redis", "signer", "egress", "tables"), 1)


def test_no_page_of_numbers_names_anybody(measuring, served):
    signal = copied(measuring)
    measured()
    text = scrape(served)

    told = " ".join(label for one in samples(text) for label in one.labels.values()).lower()
    for name in ("alpha", "northern", "ben", "ada", "btc", "usdt", str(signal.pool_id), "127.0.0.1"):
        assert re.search(rf"\b{re.escape(name)}", told) is None, name
    assert len(samples(text)) < 400


def test_every_rule_parses_and_asks_for_what_is_told(measuring, served):
    copied(measuring)
    with entered(PUBLIC):
        raise_alert("withdrawal_asked", at=clock.now())
    call_command("verify_audit")
    measured()
    told = {one.name for one in samples(scrape(served))}

    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    asked = {rule["alert"]: _asked(promql_parser.parse(rule["expr"])) for rule in rules}

    assert len(asked) == len(rules) > 20
    assert all(asked.values())
    assert {name for names in asked.values() for name in names} - told == ATTESTED
    for rule in rules:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "remedy"}
        for word in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert word in rule["expr"] or word in ("process", "queue"), rule["alert"]


def _asked(expression: Any) -> set[str]:
    """The metrics that an expression names."""
    if isinstance(expression, VectorSelector):
        return {expression.name}
    parts = [getattr(expression, name, None) for name in ("lhs", "rhs", "expr", "vs", "vector_selector")]
    parts += list(getattr(expression, "args", None) or [])
    return {name for part in parts if part is not None for name in _asked(part)}
