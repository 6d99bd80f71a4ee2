"""What followers' accounts were told to do, and what became of it: one Order or one Denial for each follower."""

from __future__ import annotations

from django.db import models

from trading.domain.order_state import Status
from trading.models.fields import amount, leaf


class Order(models.Model):
    """One follower's copy of one signal. Its status moves only along trading.domain.order_state.TRANSITIONS."""

    signal_id = models.BigIntegerField()
    subscription_id = models.BigIntegerField()
    leg = models.PositiveSmallIntegerField(default=0)
    pool_id = models.UUIDField()
    user_id = models.UUIDField()
    account_id = models.UUIDField()
    trader_id = models.UUIDField()
    client_id = models.CharField(max_length=36)
    exchange = models.CharField(max_length=32)
    environment = models.CharField(max_length=5)
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4)
    position_side = models.CharField(max_length=5, default="BOTH")
    effect = models.CharField(max_length=5)
    type = models.CharField(max_length=6, help_text="market, or limit with immediate-or-cancel")
    time_in_force = models.CharField(max_length=3, default="", blank=True)
    reduce_only = models.BooleanField(default=False)
    waits = models.BooleanField(default=False, help_text="A close that waits for opens still on their way.")
    qty = amount(help_text="In the base asset; zero while it waits.")
    limit_price = amount(null=True)
    lead_price = amount(null=True)
    mark_price = amount(null=True, help_text="The price it was sized by.")
    leverage = models.PositiveSmallIntegerField(default=1)
    reserved = amount(default=0, help_text="USD of the budget held for it until it is settled.")
    priority = models.PositiveSmallIntegerField(default=50)
    status = models.PositiveSmallIntegerField(choices=Status.choices())
    attempts = models.PositiveSmallIntegerField(default=0)
    venue_order_id = models.CharField(max_length=64, default="", blank=True)
    filled = amount(default=0)
    average = amount(null=True)
    error_code = models.CharField(max_length=32, default="", blank=True)
    error = models.CharField(max_length=200, default="", blank=True)
    lead_at = models.DateTimeField()
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True, help_text="The venue's own time of acceptance.")
    done_at = models.DateTimeField(null=True)
    place = models.PositiveIntegerField(default=0, db_default=0, help_text="Its drawn place among all followers.")
    leaf = leaf()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["signal_id", "subscription_id", "leg"], name="one_copy")]
        indexes = [
            models.Index(fields=["user_id", "-created_at"], name="order_of_user"),
            models.Index(fields=["subscription_id", "-id"], name="order_of_subscription"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.qty} {self.symbol} ({Status(self.status).name})"


class Denial(models.Model):
    """Our refusal to copy one signal for one follower, with the reason."""

    signal_id = models.BigIntegerField()
    subscription_id = models.BigIntegerField()
    leg = models.PositiveSmallIntegerField(default=0)
    pool_id = models.UUIDField()
    user_id = models.UUIDField()
    reason = models.CharField(max_length=32)
    detail = models.JSONField(default=dict, blank=True)
    symbol = models.CharField(max_length=32)
    market = models.CharField(max_length=4)
    side = models.CharField(max_length=4)
    effect = models.CharField(max_length=5)
    lead_price = amount(null=True)
    lead_at = models.DateTimeField()
    at = models.DateTimeField()
    place = models.PositiveIntegerField(default=0, db_default=0, help_text="Its drawn place among all followers.")
    leaf = leaf()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["signal_id", "subscription_id", "leg"], name="one_denial")]
        indexes = [models.Index(fields=["user_id", "-at"], name="denial_of_user")]

    def __str__(self) -> str:
        return f"{self.reason} for subscription {self.subscription_id}"


class Fill(models.Model):
    """A trade of a follower's order, inserted once by the venue's trade id."""

    order_id = models.BigIntegerField()
    account_id = models.UUIDField()
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    trade_id = models.CharField(max_length=64)
    qty = amount()
    price = amount()
    fee = amount(default=0)
    fee_asset = models.CharField(max_length=16, default="", blank=True)
    at = models.DateTimeField()
    leaf = leaf()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "market", "symbol", "trade_id"], name="one_fill")]
        indexes = [models.Index(fields=["order_id"], name="fill_of_order")]

    def __str__(self) -> str:
        return f"{self.qty} at {self.price}"
