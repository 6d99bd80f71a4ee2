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
    pending = amount(default=0, db_default=0, help_text="USD held for opens on their way.")
    carry_open = amount(
        default=0, db_default=0, help_text="Base asset too small to be bought so far; goes with the next."
    )
    carry_close = amount(default=0, db_default=0, help_text="Base asset too small to be closed so far.")
    result = amount(default=0, db_default=0, help_text="What its closed parts brought since it was last flat.")
    stop_loss_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    take_profit_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    trailing_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    best = amount(null=True, help_text="The best price since it was opened; the trailing stop follows it.")
    closed_by_owner = models.BooleanField(
        default=False, db_default=False, help_text="Its owner closed it himself: it is not opened again unasked."
    )
    opened_at = models.DateTimeField(null=True, help_text="When it was last opened from nothing.")
    left_qty = amount(default=0, db_default=0, help_text="What its owner kept when he left: it is ours no longer.")
    left_cost = amount(default=0, db_default=0)
    left_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscription_id", "trader_id", "market", "symbol", "side"], name="one_holding"
            )
        ]

    def __str__(self) -> str:
        return f"{self.qty} {self.symbol} of subscription {self.subscription_id}"
