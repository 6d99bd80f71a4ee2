"""The partner API's signals: statuses, bodies and refusals as the contract has them."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client

from obscura.core import clock
from tenants import services as tenants
from tenants.scope import entered
from tests.trading.support import follow, lead
from trading.domain.order_state import Status
from trading.market import cache
from trading.models import Denial, Order, Signal
from trading.signals.intake import public_id

BUY = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.015"}


@pytest.fixture
def partner(alpha, cast, redis_db):
    cache.forget()
    return Partner(alpha, cast)


class Partner:
    """Alpha's program: a pool and a key."""

    def __init__(self, tenant, cast) -> None:
        self.pool, self.trader = lead(cast.ada())
        self.tenant = tenant
        self.key = self.mint("signal:write")

    def mint(self, *scopes: str, environment: str = "live") -> str:
        key, _ = tenants.mint_api_key(
            tenant_id=self.tenant.id, label="Bot", environment=environment, scopes=list(scopes), actor="test"
        )
        return key

    def post(self, body: object, *, path: str = "", key: str | None = None, pool: object = None, raw: bytes = b""):
        return Client(SERVER_NAME="alpha.testserver").post(
            f"/api/v2/pools/{pool or self.pool.pk}/signals{path}",
            data=raw or json.dumps(body),
            content_type="application/json",
            headers={"X-API-Key": key or self.key},
        )

    def get(self, signal_id: str, *, pool: object = None):
        return Client(SERVER_NAME="alpha.testserver").get(
            f"/api/v2/pools/{pool or self.pool.pk}/signals/{signal_id}", headers={"X-API-Key": self.key}
        )


def test_a_signal_is_accepted_and_its_repeat_is_told_apart(partner, cast):
    follow(partner.pool, cast.ben())
    body = BUY | {"external_trade_id": "t-1", "priority": "high"}

    first, second = partner.post(body), partner.post(body)

    assert (first.status_code, second.status_code) == (202, 200)
    told = first.json()
    assert told == {
        "signal_id": public_id(Signal.objects.get().pk),
        "pool_id": str(partner.pool.pk),
        "status": "queued",
        "queued_at": told["queued_at"],
        "priority": "high",
        "estimated_subscribers": 1,
        "idempotency_key": "t-1",
    }
    assert second.json() == told
    assert told["signal_id"].startswith("sig_") and len(told["signal_id"]) == 16
    assert "RateLimit-Limit" in first.headers


def test_another_body_under_the_same_id_is_a_conflict(partner):
    partner.post(BUY | {"external_trade_id": "t-1"})

    answer = partner.post(BUY | {"external_trade_id": "t-1", "side": "sell"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")


def test_every_digit_of_a_number_is_kept(partner):
    raw = b'{"symbol": "BTCUSDT", "side": "buy", "quantity": 0.100000000000000003}'

    assert partner.post(None, raw=raw).status_code == 202
    assert Signal.objects.get().qty == Decimal("0.100000000000000003")


def test_refusals(partner):
    def refusal(answer) -> tuple[int, str]:
        assert set(answer.json()["error"]) >= {"code", "message", "remedy"}
        return answer.status_code, answer.json()["error"]["code"]

    assert refusal(partner.post(BUY | {"side": "hold"})) == (400, "signal_invalid")
    assert refusal(partner.post(None, raw=b"{")) == (400, "invalid_json")
    assert refusal(partner.post(None, raw=b'{"quantity": NaN}')) == (400, "invalid_json")
    assert refusal(partner.post(None, raw=b'{"metadata": ' + b"[" * 60 + b"]" * 60 + b"}")) == (400, "invalid_json")
    assert refusal(partner.post(None, raw=b"[" + b" " * (1 << 20) + b"]")) == (413, "too_large")
    assert refusal(partner.post(BUY, key="obsc_live_nobody"))[0] == 401
    assert refusal(partner.post(BUY, key=partner.mint("pool:read"))) == (403, "scope_missing")
    assert refusal(partner.post(BUY, pool=uuid4())) == (404, "pool_unknown")
    assert refusal(partner.get("sig_000000000000")) == (404, "signal_unknown")
    assert refusal(partner.get("42")) == (404, "signal_unknown")
    assert refusal(partner.post({"signals": []}, path="/bulk")) == (400, "batch_invalid")
    assert refusal(partner.post({"signals": [BUY] * 1001}, path="/bulk")) == (400, "batch_invalid")
    assert not Signal.objects.exists()


def test_another_tenants_pool_is_a_404(partner, beta, cast):
    with entered(beta):
        foreign, _ = lead(cast.ada(at=beta))

    assert partner.post(BUY, pool=foreign.pk).status_code == 404


def test_a_test_key_trades_on_paper_alone(partner):
    partner.post(BUY, key=partner.mint("signal:write", environment="test"))

    assert Signal.objects.get().test_only


def test_many_at_once_with_partial_success(partner):
    answer = partner.post(
        {
            "signals": [
                BUY | {"external_trade_id": "a"},
                BUY | {"quantity": -1},
                BUY | {"external_trade_id": "a"},
                BUY | {"external_trade_id": "b", "priority": "low"},
            ],
            "batch_priority": "critical",
        },
        path="/bulk",
    )

    told = answer.json()
    assert answer.status_code == 202
    assert {name: told[name] for name in ("accepted", "repeated", "rejected", "skipped")} == {
        "accepted": 2,
        "repeated": 1,
        "rejected": 1,
        "skipped": 0,
    }
    assert [one["http_status"] for one in told["results"]] == [202, 400, 200, 202]
    assert told["results"][1]["error"]["details"] == {"quantity": "must be above zero"}
    assert [one.get("priority") for one in told["results"]] == ["critical", None, "critical", "low"]


def test_fail_fast_skips_the_rest(partner):
    signals = [BUY | {"external_trade_id": "a"}, {}, BUY]

    told = partner.post({"signals": signals, "fail_fast": True}, path="/bulk").json()

    assert (told["accepted"], told["rejected"], told["skipped"]) == (1, 1, 1)
    assert Signal.objects.count() == 1


def test_what_became_of_a_signal(partner):
    signal_id = partner.post(BUY).json()["signal_id"]
    assert partner.get(signal_id).json()["status"] == "queued"
    signal = Signal.objects.get()
    begun = signal.received_at + timedelta(milliseconds=7)
    common = {
        "signal_id": signal.pk,
        "pool_id": signal.pool_id,
        "user_id": uuid4(),
        "symbol": "BTCUSDT",
        "market": "spot",
        "side": "buy",
        "effect": "open",
        "lead_at": signal.lead_at,
        "leaf": b"",
    }
    for number, (status, filled) in enumerate([(Status.FILLED, 1), (Status.REJECTED, 0), (Status.SENDING, 0)]):
        Order.objects.create(
            **common,
            subscription_id=number,
            account_id=uuid4(),
            trader_id=uuid4(),
            client_id=str(number),
            exchange="binance",
            environment="paper",
            type="market",
            qty=1,
            filled=filled,
            status=int(status),
            error_code="insufficient" if status == Status.REJECTED else "",
            created_at=begun,
            sent_at=begun,
            accepted_at=begun + timedelta(milliseconds=20) if status != Status.SENDING else None,
        )
    Denial.objects.create(**common, subscription_id=9, reason="no_price", at=clock.now())
    Signal.objects.update(state="planned", planned_at=begun)

    told = partner.get(signal_id).json()

    assert {name: told[name] for name in told if name not in ("created_at", "updated_at", "errors")} == {
        "signal_id": signal_id,
        "pool_id": str(partner.pool.pk),
        "status": "processing",
        "priority": "normal",
        "total_subscribers": 4,
        "executions_pending": 1,
        "executions_completed": 1,
        "executions_failed": 2,
        "queue_wait_ms": 7,
        "avg_execution_ms": 20,
    }
    assert [(one["subscriber_id"], one["error"]) for one in told["errors"]] == [
        ("1", "insufficient"),
        ("9", "no_price"),
    ]

    Order.objects.filter(status=int(Status.SENDING)).update(status=int(Status.FILLED), filled=1)
    assert partner.get(signal_id).json()["status"] == "partial"
    Denial.objects.all().delete()
    Order.objects.filter(status=int(Status.REJECTED)).delete()
    assert partner.get(signal_id).json()["status"] == "completed"
