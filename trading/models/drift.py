"""Where our record of an account differs from the venue's, and what was done about it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from trading.models.fields import amount, leaf


class AccountCheck(models.Model):
    """When an account on which copies are open is next held against the venue."""

    account_id = models.UUIDField(primary_key=True)
    user_id = models.UUIDField()
    exchange = models.CharField(max_length=32)
    environment = models.CharField(max_length=5)
    due_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, help_text="When the venue last answered.")

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="account_check_due")]

    def __str__(self) -> str:
        return f"Check of {self.account_id}"


class Drift(models.Model):
    """One difference between what we believe of an account and what the venue says. Kept when it is over."""

    class Kind(models.TextChoices):
        SMALLER = "smaller", "Less there than our copies hold"
        LARGER = "larger", "More there than our copies hold"
        ORDER_OPEN = "order_open", "An order that we think is over is open there"
        ORDER_GONE = "order_gone", "An order that we think is open is not there"

    account_id = models.UUIDField()
    user_id = models.UUIDField()
    kind = models.CharField(max_length=10, choices=Kind)
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=36, help_text="The base asset on spot; the client order id of an order.")
    side = models.CharField(max_length=5, default="BOTH")
    ours = amount()
    theirs = amount()
    sightings = models.PositiveIntegerField(default=1, help_text="How often in a row it was seen just like this.")
    first_seen = models.DateTimeField()
    steady_since = models.DateTimeField(help_text="Since when both figures are as they are.")
    last_seen = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    done = models.CharField(max_length=200, default="", blank=True, help_text="What was done about it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "kind", "market", "symbol", "side"],
                condition=Q(resolved_at=None),
                name="one_open_drift",
            )
        ]
        indexes = [models.Index(fields=["user_id", "-last_seen"], name="drift_of_user")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.symbol} of {self.account_id}"


class Adjustment(models.Model):
    """A holding that was cut to what the venue has, because its owner closed or moved it there.

    No trade of ours stands behind it: what it brought is not known, and counts as neither gain nor loss.
    """

    subscription_id = models.BigIntegerField()
    account_id = models.UUIDField()
    user_id = models.UUIDField()
    trader_id = models.UUIDField()
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=5, default="BOTH")
    qty = amount(help_text="What was taken off, signed like the holding.")
    cost = amount(help_text="What that part had cost, in the quote currency.")
    released = amount(help_text="USD of exposure that became free.")
    reason = models.CharField(max_length=32, default="closed_outside")
    at = models.DateTimeField()
    leaf = leaf()

    class Meta:
        indexes = [
            models.Index(fields=["user_id", "-at"], name="adjustment_of_user"),
            models.Index(fields=["subscription_id", "-id"], name="adjustment_of_subscription"),
        ]

    def __str__(self) -> str:
        return f"{self.qty} {self.symbol} of subscription {self.subscription_id}"
