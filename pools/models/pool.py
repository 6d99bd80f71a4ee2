"""A pool of lead traders that people follow."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from citadel.models import ExchangeAccount
from obscura.core.ids import uuid7


class Trader(models.Model):
    """A lead trader: trades on an exchange account that is watched, or by signals alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    account = models.OneToOneField(
        ExchangeAccount, null=True, blank=True, on_delete=models.PROTECT, related_name="trader"
    )
    reference_capital_usd = models.DecimalField(max_digits=38, decimal_places=18, null=True, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Pool(models.Model):
    """Leads with weights, and the terms on which their trades are copied."""

    class Kind(models.TextChoices):
        CURATED = "curated", "Curated"
        PARTNER = "partner", "Partner"
        CUSTOM = "custom", "Custom"

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        CLOSED = "closed", "Closed"

    class Risk(models.TextChoices):
        LOW = "low", "Low"
        MEDIUM = "medium", "Medium"
        HIGH = "high", "High"

    class Halt(models.TextChoices):
        OPENS = "opens", "Opens nothing"
        CLOSE = "close", "Opens nothing and closes everything"

    class WhenSilent(models.TextChoices):
        TELL = "tell", "Tell the followers"
        CLOSE = "close", "Tell them, then close what is open"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=80)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        help_text="Whose custom pool this is; nobody else sees it.",
    )
    risk_class = models.CharField(max_length=6, choices=Risk, default=Risk.MEDIUM)
    status = models.CharField(max_length=6, choices=Status, default=Status.DRAFT)
    slots = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(100)], help_text="Copies a budget is cut into."
    )
    leverage = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(20)], help_text="On futures."
    )
    max_slippage_bps = models.PositiveSmallIntegerField(
        default=50, help_text="How much worse than the lead's price an open may be, in basis points."
    )
    signal_ttl_s = models.PositiveSmallIntegerField(default=30, help_text="After this many seconds nothing is opened.")
    fee_percentage = models.DecimalField(max_digits=5, decimal_places=2, default=10)
    halt = models.CharField(
        max_length=5, choices=Halt, blank=True, default="", db_default="", help_text="Its kill switch."
    )
    origin_halt = models.CharField(
        max_length=5,
        choices=Halt,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Its kill switch at Tenant Zero, where its leads trade there.",
    )
    when_silent = models.CharField(
        max_length=5,
        choices=WhenSilent,
        default=WhenSilent.TELL,
        db_default=WhenSilent.TELL,
        help_text="When a lead with open positions cannot be heard any more.",
    )
    remote = models.BooleanField(default=False, help_text="Its leads trade at Tenant Zero; signals are relayed.")
    shown_traders = models.JSONField(default=list, blank=True, help_text="[{id, name, weight}] of a curated pool.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def halted(self) -> str:
        """The stronger of its kill switches, this tenant's and the origin's; empty where neither is on."""
        both = (self.halt, self.origin_halt)
        return self.Halt.CLOSE if self.Halt.CLOSE in both else self.halt or self.origin_halt


class PoolTrader(models.Model):
    """A lead's place in a pool; `weight` scales each copy (1 is a whole slot)."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="places")
    trader = models.ForeignKey(Trader, on_delete=models.PROTECT, related_name="places")
    weight = models.DecimalField(
        max_digits=6, decimal_places=4, default=1, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "trader"], name="one_place")]

    def __str__(self) -> str:
        return f"{self.trader_id} in {self.pool_id}"
