"""What following has brought: where each subscription stood day by day, and what that adds up to for its pool."""

from __future__ import annotations

from django.db import models

from pools.models.pool import Pool
from pools.models.subscription import MONEY, Subscription


class SubscriptionDay(models.Model):
    """Where a subscription stood at the end of a day (UTC), open copies included; the present day's moves on."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="days")
    pool_id = models.UUIDField()
    day = models.DateField()
    investment = models.DecimalField(**MONEY)
    result = models.DecimalField(**MONEY)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscription", "day"], name="one_day")]
        indexes = [models.Index(fields=["pool_id", "day"], name="day_of_pool")]

    def __str__(self) -> str:
        return f"{self.result} on {self.day}"


class Record(models.Model):
    """A pool's record as it was last worked out; None is what cannot be known yet."""

    pool = models.OneToOneField(Pool, primary_key=True, on_delete=models.CASCADE, related_name="record")
    month = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    deepest_fall = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    risk = models.PositiveSmallIntegerField(null=True)
    curve = models.JSONField(default=list)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Record of {self.pool_id}"
