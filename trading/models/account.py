"""What followers' accounts are known to have at the venue on USD-M, beside what they hold."""

from __future__ import annotations

from django.db import models


class PositionMode(models.Model):
    """Whether an account keeps longs and shorts apart (hedge mode). Account-wide; learnt, never guessed."""

    account_id = models.UUIDField(primary_key=True)
    hedged = models.BooleanField()
    learnt_at = models.DateTimeField()
    refused_at = models.DateTimeField(null=True, help_text="When the venue last refused to change it.")

    def __str__(self) -> str:
        return f"{'hedge' if self.hedged else 'one-way'} mode of {self.account_id}"


class SymbolSetting(models.Model):
    """Leverage and margin mode of an account in one symbol, as the venue last confirmed them."""

    account_id = models.UUIDField()
    symbol = models.CharField(max_length=32)
    leverage = models.PositiveSmallIntegerField()
    margin = models.CharField(max_length=8, help_text="isolated or cross")
    learnt_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "symbol"], name="one_symbol_setting")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.leverage}x {self.margin} of {self.account_id}"
