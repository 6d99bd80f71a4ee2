"""Field helpers of the trading tables."""

from __future__ import annotations

from django.db import models


def amount(**kwargs: object) -> models.DecimalField:
    """An exact number: money, quantity or price."""
    return models.DecimalField(max_digits=38, decimal_places=18, **kwargs)  # type: ignore[arg-type]


def leaf() -> models.BinaryField:
    """The row's leaf hash for the receipt log (32 bytes, see proofs.domain.receipts)."""
    return models.BinaryField(max_length=32)
