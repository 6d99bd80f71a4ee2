"""What a follower is told beside the outcomes of copies."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Notice(models.Model):
    """One thing told to one subscription. It stands until `over_at`: a state that lasts is told once, not again."""

    subscription_id = models.BigIntegerField()
    user_id = models.UUIDField()
    pool_id = models.UUIDField()
    code = models.CharField(max_length=16, help_text="trading.domain.guard.Told")
    place = models.CharField(max_length=80, default="", help_text="Of what: a market and symbol, or a lead's stream.")
    market = models.CharField(max_length=4, default="")
    symbol = models.CharField(max_length=32, default="")
    words = models.CharField(max_length=200)
    at = models.DateTimeField()
    over_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscription_id", "code", "place"], condition=Q(over_at=None), name="one_standing_notice"
            )
        ]
        indexes = [models.Index(fields=["user_id", "-at"], name="notice_of_user")]

    def __str__(self) -> str:
        return f"{self.code} for subscription {self.subscription_id}"
