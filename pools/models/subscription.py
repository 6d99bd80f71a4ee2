"""A follower's subscription to a pool: what may be invested, what may be lost, and where both stand."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from citadel.models import ExchangeAccount
from pools.models.pool import Pool

MONEY = {"max_digits": 38, "decimal_places": 18}


class Subscription(models.Model):
    """Terms in USD beside the running figures that the planner reserves against.

    `reserved` is held for orders on their way, `exposure` is the cost of what is open; their sum never exceeds
    `total_investment`. `realised` is the result of everything closed, `day_realised` that of `day` (UTC) alone.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        CLOSING = "closing", "Closes only"
        ENDED = "ended", "Ended"

    id = models.BigAutoField(primary_key=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="subscriptions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="subscriptions")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="subscriptions")
    status = models.CharField(max_length=7, choices=Status, default=Status.ACTIVE)
    reason = models.CharField(max_length=200, blank=True, default="", db_default="", help_text="Why it is not active.")
    mode = models.CharField(max_length=16, default="fixed_amount")
    total_investment = models.DecimalField(**MONEY)
    max_loss = models.DecimalField(**MONEY)
    profit_target = models.DecimalField(null=True, blank=True, **MONEY)
    daily_loss_limit = models.DecimalField(null=True, blank=True, **MONEY)
    reserved = models.DecimalField(default=0, **MONEY)
    exposure = models.DecimalField(default=0, **MONEY)
    realised = models.DecimalField(default=0, **MONEY)
    day = models.DateField(null=True, blank=True)
    day_realised = models.DecimalField(default=0, **MONEY)
    settings = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="Its style (pools.domain.style); empty is the plain way."
    )
    peak = models.DecimalField(
        default=0, db_default=0, help_text="The highest result so far, open copies included.", **MONEY
    )
    loss_streak = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="Copies lost one after another.")
    stopped_by = models.CharField(
        max_length=24, blank=True, default="", db_default="", help_text="Which limit or switch paused it, if one did."
    )
    stopped_at = models.DateTimeField(null=True, blank=True, help_text="When it did.")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pool", "user", "account"], condition=~Q(status="ended"), name="one_subscription"
            ),
            models.CheckConstraint(condition=Q(total_investment__gt=0), name="investment_positive"),
            models.CheckConstraint(condition=Q(max_loss__gt=0), name="loss_positive"),
            models.CheckConstraint(condition=Q(max_loss__lte=F("total_investment")), name="loss_within_investment"),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="reserved_not_negative"),
        ]
        indexes = [models.Index(fields=["pool", "id"], condition=~Q(status="ended"), name="followers_of_pool")]

    def __str__(self) -> str:
        return f"Subscription {self.pk} of {self.user_id} to {self.pool_id}"


class Mandate(models.Model):
    """What the vault may sign for a subscription, sealed when its terms were agreed (citadel.domain.mandate).

    A row of its own: a subscription's figures are written with every copy, this is not.
    """

    subscription = models.OneToOneField(Subscription, on_delete=models.CASCADE, primary_key=True)
    number = models.PositiveBigIntegerField()
    sealed = models.BinaryField()

    def __str__(self) -> str:
        return f"Mandate {self.number} of subscription {self.subscription_id}"
