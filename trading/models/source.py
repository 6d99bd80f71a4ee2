"""What leads did: fills seen at the venue, the positions they add up to, and the signals made of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from trading.models.fields import amount, leaf


class LeadFill(models.Model):
    """One trade of a lead's account, as the venue told it, inserted once by the venue's trade id."""

    account_id = models.UUIDField()
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    trade_id = models.CharField(max_length=64)
    order_id = models.CharField(max_length=64)
    side = models.CharField(max_length=4)
    position_side = models.CharField(max_length=5, default="BOTH")
    qty = amount()
    price = amount()
    fee = amount(default=0)
    fee_asset = models.CharField(max_length=16, default="", blank=True)
    order_done = models.BooleanField(default=False, help_text="The venue said with this fill that the order is filled.")
    at = models.DateTimeField()
    received_at = models.DateTimeField()
    backfilled = models.BooleanField(default=False)
    external_id = models.CharField(
        max_length=96, null=True, help_text="The signals that consumed it: lead order id and cumulative quantity."
    )
    leaf = leaf()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "market", "symbol", "trade_id"], name="one_lead_fill")
        ]
        indexes = [
            models.Index(fields=["received_at"], condition=Q(external_id=None), name="lead_fill_unused"),
            models.Index(fields=["account_id", "market", "symbol", "order_id"], name="lead_fill_order"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.qty} {self.symbol} at {self.price}"


class Watermark(models.Model):
    """Up to where a lead account's trades in one symbol are known, for the backfill after a lost stream."""

    account_id = models.UUIDField()
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    trade_id = models.BigIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "market", "symbol"], name="one_watermark")]

    def __str__(self) -> str:
        return f"{self.symbol} up to {self.trade_id}"


class PoolLane(models.Model):
    """The row that makes a pool's signals and plans serial, and numbers its signals."""

    pool_id = models.UUIDField(primary_key=True)
    last_seq = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"Lane of {self.pool_id}"


class AccountPosition(models.Model):
    """What a watched account holds in one symbol on futures, whichever pools it leads. Tells an open from a close.

    `qty` is what the fills that signals consumed add up to, on top of what was held before the first of them. The row
    without a symbol says that the account's book was begun.
    """

    account_id = models.UUIDField()
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=5)
    qty = amount(default=0, help_text="Signed: below zero is short.")
    counted_until = models.DateTimeField(help_text="Fills up to then were in what the venue told at the beginning.")
    opened_at = models.DateTimeField(null=True, help_text="When it left zero; null where it is flat.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "market", "symbol", "side"], name="one_account_position")
        ]

    def __str__(self) -> str:
        return f"{self.qty} {self.symbol}"


class DrawChain(models.Model):
    """A commitment to the seeds of 1,024 of a pool's signals (`trading.domain.draw`), published before their use.

    A revision above 0 says that the seeds of an earlier commitment could not be had any more.
    """

    pool_id = models.UUIDField()
    number = models.PositiveIntegerField()
    revision = models.PositiveSmallIntegerField(default=0)
    anchor = models.BinaryField()
    published_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool_id", "number", "revision"], name="one_chain")]

    def __str__(self) -> str:
        return f"Chain {self.number} of {self.pool_id}"


class LeadPosition(models.Model):
    """What a lead holds in one symbol, as a pool's signals and spot trades add up. Tells an open from a close.

    Futures of a watched account are in `AccountPosition`.
    """

    pool_id = models.UUIDField()
    trader_id = models.UUIDField()
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=5, default="BOTH")
    test = models.BooleanField(default=False, help_text="Built by test keys' signals, apart from what is real.")
    qty = amount(default=0, help_text="Signed: below zero is short.")
    opened_at = models.DateTimeField(null=True, help_text="When it left zero; null where it is flat.")
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pool_id", "trader_id", "market", "symbol", "side", "test"], name="one_lead_position"
            )
        ]

    def __str__(self) -> str:
        return f"{self.qty} {self.symbol}"


WAITS = Q(state__in=["new", "planning"])


class Signal(models.Model):
    """One thing to copy in one pool. Its id is a 48-bit hash of (pool, external id, leg)."""

    class State(models.TextChoices):
        NEW = "new", "New"
        PLANNING = "planning", "Being planned"
        PLANNED = "planned", "Planned"
        DONE = "done", "Done"

    class Effect(models.TextChoices):
        OPEN = "open", "Open"
        CLOSE = "close", "Close"

    id = models.BigIntegerField(primary_key=True)
    pool_id = models.UUIDField()
    seq = models.BigIntegerField(help_text="Its place in the pool's lane.")
    external_id = models.CharField(max_length=128)
    leg = models.PositiveSmallIntegerField(default=0)
    source = models.CharField(max_length=6, help_text="lead, api or relay; guard or owner for one follower alone")
    only_for = models.BigIntegerField(null=True, help_text="The one subscription it is for; none: all of the pool.")
    body_digest = models.CharField(max_length=64, default="", blank=True)
    trader_id = models.UUIDField()
    weight = models.DecimalField(max_digits=6, decimal_places=4, default=1)
    exchange = models.CharField(max_length=32, default="binance")
    market = models.CharField(max_length=4)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4)
    position_side = models.CharField(max_length=5, default="BOTH")
    effect = models.CharField(max_length=5, choices=Effect)
    fraction = amount(default=1, help_text="Of a close: which part of its position the lead closed.")
    qty = amount()
    price = amount(null=True, help_text="The lead's average price, or the signal's limit.")
    order_type = models.CharField(max_length=6, default="market")
    lead_equity = amount(null=True, help_text="What the lead's account was worth then, in USD.")
    lead_leverage = models.PositiveSmallIntegerField(null=True)
    stop_loss_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    take_profit_pct = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    priority = models.PositiveSmallIntegerField(default=50)
    test_only = models.BooleanField(default=False, help_text="Came with a test key: paper accounts alone.")
    metadata = models.JSONField(default=dict, blank=True)
    lead_at = models.DateTimeField(help_text="When the lead's trade happened at the venue, or the signal arrived.")
    position_since = models.DateTimeField(
        null=True, help_text="When the lead's position began, where that was before this trade."
    )
    received_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.NEW)
    cursor = models.BigIntegerField(default=0, help_text="Up to which subscription id its walk is planned.")
    wrapped = models.BooleanField(default=False, db_default=False, help_text="The walk goes on from the lowest id.")
    followers = models.PositiveIntegerField(default=0, help_text="How many are planned.")
    draw_chain = models.BigIntegerField(null=True, help_text="The commitment that its seed belongs to.")
    draw_followers = models.PositiveIntegerField(default=0, db_default=0, help_text="How many followed when drawn.")
    draw_start = models.PositiveIntegerField(default=0, db_default=0, help_text="The number of the first, from 0.")
    walk_first = models.BigIntegerField(default=0, db_default=0, help_text="The subscription the walk begins with.")
    walk_last = models.BigIntegerField(null=True, help_text="The highest subscription id when it was drawn.")
    seed = models.BinaryField(null=True, help_text="Revealed when it is planned.")
    overtaken_by = models.BigIntegerField(null=True, help_text="The close of the whole that was planned before it.")
    planned_at = models.DateTimeField(null=True)
    swept_at = models.DateTimeField(null=True, help_text="When the sweep last looked after it.")
    done_at = models.DateTimeField(null=True)
    leaf = leaf()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool_id", "external_id", "leg"], name="one_signal"),
            models.UniqueConstraint(fields=["pool_id", "seq"], name="one_place_in_lane"),
        ]
        indexes = [
            models.Index(fields=["received_at"], condition=~Q(state="done"), name="signal_unfinished"),
            models.Index(fields=["pool_id", "-seq"], name="signal_of_pool"),
            models.Index(fields=["pool_id", "priority", "seq"], condition=WAITS, name="signal_by_urgency"),
            models.Index(fields=["pool_id", "symbol", "seq"], condition=WAITS, name="signal_by_symbol"),
        ]

    def __str__(self) -> str:
        return f"{self.effect} {self.symbol} ({self.external_id})"
