"""What the partner API reads and writes about pools and traders."""

from __future__ import annotations

from decimal import Decimal

from rest_framework import serializers

from obscura.core.http.strict import Amount, Strict
from pools.models import Pool


class PlaceRequest(Strict):
    """A trader's place in a pool; `weight` is above 0 and at most 1."""

    trader_id = serializers.UUIDField()
    weight = Amount(default=Decimal(1))


class PoolRequest(Strict):
    """A new pool, or with PATCH what shall change."""

    name = serializers.CharField(max_length=80)
    description = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    pool_type = serializers.ChoiceField(choices=["partner"], required=False)
    risk_class = serializers.ChoiceField(choices=Pool.Risk.values, required=False)
    traders = PlaceRequest(many=True, required=False)
    fee_percentage = Amount(required=False)
    slots = serializers.IntegerField(required=False, help_text="Copies a budget is cut into, 1 to 100.")
    leverage = serializers.IntegerField(required=False, help_text="On futures, 1 to 20.")
    max_slippage_bps = serializers.IntegerField(required=False, help_text="1 to 1000.")
    signal_ttl_s = serializers.IntegerField(required=False, help_text="1 to 3600.")


class PlaceShape(serializers.Serializer):
    """A lead of a pool."""

    trader_id = serializers.UUIDField()
    name = serializers.CharField()
    weight = Amount()


class PoolShape(serializers.Serializer):
    """A pool."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    pool_type = serializers.ChoiceField(choices=["partner", "curated"])
    risk_class = serializers.ChoiceField(choices=Pool.Risk.values)
    status = serializers.ChoiceField(choices=Pool.Status.values)
    tenant_id = serializers.IntegerField()
    fee_percentage = Amount()
    platform_take_percentage = Amount()
    slots = serializers.IntegerField()
    leverage = serializers.IntegerField()
    max_slippage_bps = serializers.IntegerField()
    signal_ttl_s = serializers.IntegerField()
    traders = PlaceShape(many=True)
    subscribers = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class PoolPageShape(serializers.Serializer):
    """One page of pools, newest first; follow `next` as it is."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = PoolShape(many=True)


class TraderRequest(Strict):
    """A lead: of an exchange account that is watched, or by signals alone with a reference capital."""

    name = serializers.CharField(max_length=80)
    exchange_account_id = serializers.UUIDField(required=False, allow_null=True)
    reference_capital_usd = Amount(required=False, allow_null=True)


class TraderShape(serializers.Serializer):
    """A lead."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    exchange_account_id = serializers.UUIDField(allow_null=True)
    reference_capital_usd = Amount(allow_null=True)
