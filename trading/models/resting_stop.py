"""Conditional orders of ours that rest at a venue for one copy."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from trading.domain.stops import Kind, State
from trading.models.fields import amount


class RestingStop(models.Model):
    """One stop at the venue. Its client id is that of the close it becomes, so that both are one when it has fired."""

    holding_id = models.BigIntegerField()
    subscription_id = models.BigIntegerField()
    pool_id = models.UUIDField()
    trader_id = models.UUIDField()
    user_id = models.UUIDField()
    account_id = models.UUIDField()
    exchange = models.CharField(max_length=32)
    environment = models.CharField(max_length=5)
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=5, help_text="Of the holding: BOTH, LONG or SHORT.")
    order_side = models.CharField(max_length=4)
    kind = models.CharField(max_length=4, choices=[(one.value, one.name) for one in Kind])
    cause = models.CharField(max_length=16, help_text="trading.domain.guard.Told")
    qty = amount()
    trigger_price = amount()
    leverage = models.PositiveSmallIntegerField(default=1)
    external_id = models.CharField(max_length=128, help_text="Of the close that it becomes.")
    client_id = models.CharField(max_length=36)
    state = models.PositiveSmallIntegerField(choices=[(one.value, one.name) for one in State])
    venue_order_id = models.CharField(max_length=64, default="", blank=True, help_text="Of the order it became.")
    code = models.CharField(max_length=32, default="", blank=True)
    words = models.CharField(max_length=120, default="", blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="When it is next asked after, unless something happens.")
    crossed_at = models.DateTimeField(null=True, help_text="When we first saw its price reached.")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["external_id"], name="one_stop_an_id"),
            models.UniqueConstraint(fields=["holding_id", "kind"], condition=Q(ended_at=None), name="one_live_stop"),
        ]
        indexes = [models.Index(fields=["holding_id", "-id"], name="stop_of_holding")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.qty} {self.symbol} at {self.trigger_price} ({State(self.state).name})"
