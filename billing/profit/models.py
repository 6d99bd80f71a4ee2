"""Shares of profit that are due: one row for each time a subscription's result passed its high-water mark."""

from __future__ import annotations

from django.db import models

USD = {"max_digits": 38, "decimal_places": 18}


class ProfitShare(models.Model):
    """Append-only. `cause` says when it was settled: a withdrawal, the end of a month, or the end of the copying."""

    class Cause(models.TextChoices):
        WITHDRAWAL = "withdrawal", "Withdrawal"
        MONTH = "month", "Month"
        END = "end", "End"

    subscription_id = models.BigIntegerField()
    pool_id = models.UUIDField()
    user_id = models.UUIDField()
    cause = models.CharField(max_length=10, choices=Cause)
    result = models.DecimalField(**USD)
    high_water_before = models.DecimalField(**USD)
    profit = models.DecimalField(**USD)
    fee_percentage = models.DecimalField(max_digits=5, decimal_places=2)
    platform_percentage = models.DecimalField(max_digits=5, decimal_places=2)
    creator_usd = models.DecimalField(max_digits=20, decimal_places=2)
    platform_usd = models.DecimalField(max_digits=20, decimal_places=2)
    at = models.DateTimeField()

    class Meta:
        # A mark is passed once: whoever settles the same result again finds it taken.
        constraints = [
            models.UniqueConstraint(fields=["subscription_id", "high_water_before"], name="one_share_above_a_mark")
        ]
        indexes = [models.Index(fields=["user_id", "-at"], name="share_of_user")]

    def __str__(self) -> str:
        return f"{self.creator_usd} USD of subscription {self.subscription_id}"
