"""How signals are written in answers, and how the API's description names their fields."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers

from obscura.core.errors import Problem
from trading.domain import priorities
from trading.signals.intake import SignalReceipt, public_id
from trading.signals.status import SignalStatus


def receipt(taken: SignalReceipt) -> dict[str, Any]:
    """The answer to a signal that was taken."""
    return {
        "signal_id": public_id(taken.signal_id),
        "pool_id": taken.pool_id,
        "status": taken.status,
        "queued_at": taken.queued_at,
        "priority": priorities.NAMES[taken.priority],
        "estimated_subscribers": taken.estimated_subscribers,
        "idempotency_key": taken.idempotency_key,
    }


def batch(pool_id: UUID, answers: list[SignalReceipt | Problem], asked: int) -> dict[str, Any]:
    """The answer to many: one result for each item that was looked at, in their order, with its place."""
    results = [
        {"index": index, "http_status": one.http_status, **one.as_dict()}
        if isinstance(one, Problem)
        else {"index": index, "http_status": 200 if one.repeated else 202, **receipt(one)}
        for index, one in enumerate(answers)
    ]
    taken = [one for one in answers if isinstance(one, SignalReceipt)]
    repeated = sum(one.repeated for one in taken)
    return {
        "pool_id": pool_id,
        "accepted": len(taken) - repeated,
        "repeated": repeated,
        "rejected": len(answers) - len(taken),
        "skipped": asked - len(answers),
        "results": results,
    }


def status(found: SignalStatus) -> dict[str, Any]:
    """What became of a signal."""
    return {
        "signal_id": public_id(found.signal_id),
        "pool_id": found.pool_id,
        "status": found.status,
        "priority": priorities.NAMES[found.priority],
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "total_subscribers": found.total_subscribers,
        "executions_pending": found.executions_pending,
        "executions_completed": found.executions_completed,
        "executions_failed": found.executions_failed,
        "queue_wait_ms": found.queue_wait_ms,
        "avg_execution_ms": found.avg_execution_ms,
        "errors": [
            {"subscriber_id": one.subscriber_id, "error": one.error, "timestamp": one.timestamp} for one in found.errors
        ],
    }


# For the description alone: bodies are read by trading.signals.request, which loses no digit of a number.


class SignalFields(serializers.Serializer):
    """A trade to copy in a pool."""

    symbol = serializers.CharField(help_text="BTCUSDT or BTC/USDT")
    side = serializers.ChoiceField(["buy", "sell"])
    quantity = serializers.DecimalField(38, 18, help_text="In the base asset; a text or a number.")
    order_type = serializers.ChoiceField(["market", "limit"], default="market")
    price = serializers.DecimalField(38, 18, required=False, help_text="Required for limit.")
    exchange = serializers.ChoiceField(["binance"], default="binance")
    platform = serializers.ChoiceField(["spot", "futures"], default="spot")
    leverage = serializers.IntegerField(required=False, min_value=1, max_value=125)
    margin_mode = serializers.ChoiceField(["isolated", "cross"], required=False)
    stop_loss_pct = serializers.DecimalField(38, 18, required=False)
    take_profit_pct = serializers.DecimalField(38, 18, required=False)
    priority = serializers.ChoiceField(list(priorities.BY_NAME), default="normal")
    execute_immediately = serializers.BooleanField(default=True)
    external_trade_id = serializers.CharField(required=False, max_length=100, help_text="The idempotency key.")
    source_trader_id = serializers.UUIDField(required=False)
    external_trader_ref = serializers.CharField(required=False, max_length=100)
    metadata = serializers.DictField(required=False, help_text="At most 4 KiB.")


class BulkFields(serializers.Serializer):
    """Up to 1,000 signals of one pool."""

    signals = SignalFields(many=True)
    batch_priority = serializers.ChoiceField(list(priorities.BY_NAME), required=False)
    fail_fast = serializers.BooleanField(default=False)


class ReceiptFields(serializers.Serializer):
    """A signal that was taken."""

    signal_id = serializers.CharField()
    pool_id = serializers.UUIDField()
    status = serializers.ChoiceField(["queued", "processing", "completed"])
    queued_at = serializers.DateTimeField()
    priority = serializers.ChoiceField(list(priorities.BY_NAME))
    estimated_subscribers = serializers.IntegerField()
    idempotency_key = serializers.CharField()


class ResultFields(ReceiptFields):
    """One item of a batch: a receipt, or an error in its place."""

    index = serializers.IntegerField()
    http_status = serializers.IntegerField()
    error = serializers.DictField(required=False)


class BatchFields(serializers.Serializer):
    """What became of the items of a batch; with fail_fast those behind the first error are skipped."""

    pool_id = serializers.UUIDField()
    accepted = serializers.IntegerField()
    repeated = serializers.IntegerField()
    rejected = serializers.IntegerField()
    skipped = serializers.IntegerField()
    results = ResultFields(many=True)


class FailureFields(serializers.Serializer):
    """A follower without a copy."""

    subscriber_id = serializers.CharField()
    error = serializers.CharField()
    timestamp = serializers.DateTimeField()


class StatusFields(serializers.Serializer):
    """What became of a signal."""

    signal_id = serializers.CharField()
    pool_id = serializers.UUIDField()
    status = serializers.ChoiceField(["queued", "processing", "completed", "partial", "failed"])
    priority = serializers.ChoiceField(list(priorities.BY_NAME))
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    total_subscribers = serializers.IntegerField()
    executions_pending = serializers.IntegerField()
    executions_completed = serializers.IntegerField()
    executions_failed = serializers.IntegerField()
    queue_wait_ms = serializers.IntegerField(allow_null=True)
    avg_execution_ms = serializers.IntegerField(allow_null=True)
    errors = FailureFields(many=True)
