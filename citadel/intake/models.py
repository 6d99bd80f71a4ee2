"""The signer's public intake key: all that a web process knows of the vault."""

from __future__ import annotations

from django.db import models


class IntakeKey(models.Model):
    """An X25519 public key that secrets are sealed to. Only the signer can open what was sealed."""

    kid = models.CharField(max_length=16, unique=True)
    public = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.kid
