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


class Statement(models.Model):
    """What the vault said of itself last: one row, written by a worker that asks the signer."""

    heard_at = models.DateTimeField(help_text="When it was last heard.")
    since = models.DateTimeField(help_text="Since when it says so.")
    keys = models.CharField(max_length=16, help_text="The key provider.")
    attestation = models.JSONField(default=dict, help_text="The mode; where it is required, the verdict as well.")

    def __str__(self) -> str:
        return f"{self.keys}, attestation {self.attestation.get('mode', 'off')}"
