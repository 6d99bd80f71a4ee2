"""What a subscription holds because of one lead in one symbol."""

from __future__ import annotations

from django.db import models

from trading.models.fields import amount


class Holding(models.Model):
    """The copy of a lead's position: signed quantity net of fees taken in kind, and what it cost."""

    subscription_id = models.BigIntegerField()
    trader_id = models.UUIDField()
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=5, default="BOTH")
    qty = amount(default=0)
    cost = amount(default=0, help_text="Quote currency paid (long) or received (short) for what is open.")
    leverage = models.PositiveSmallIntegerField(default=1)
    opening = models.PositiveIntegerField(default=0, help_text="Opens on their way: a close waits for them.")
    closing = models.PositiveIntegerField(default=0, help_text="Closes on their way.")
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscription_id", "trader_id", "market", "symbol", "side"], name="one_holding"
            )
        ]

    def __str__(self) -> str:
        return f"{self.qty} {self.symbol} of subscription {self.subscription_id}"
