"""The signer's own record, alerts about it, and break-glass requests: the public schema's part of Citadel's audit."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class SignerEntry(models.Model):
    """One entry of a signer's record, as it told it. The database refuses to change or delete it.

    A chain is the record of one journal: a signer that starts with an empty one begins another.
    """

    chain = models.CharField(max_length=32)
    sequence = models.BigIntegerField()
    at = models.DateTimeField(help_text="By the signer's clock.")
    heard_at = models.DateTimeField(help_text="When it was written down here.")
    kind = models.CharField(max_length=24)
    facts = models.JSONField(default=dict)
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "signer entries"
        constraints = [models.UniqueConstraint(fields=["chain", "sequence"], name="one_signer_entry")]
        indexes = [
            models.Index(fields=["at"], name="signer_entry_at"),
            models.Index(fields=["heard_at"], name="signer_entry_heard"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.kind}"


class Alert(models.Model):
    """Something unusual, told once and counted until somebody has acknowledged it."""

    kind = models.CharField(max_length=64)
    facts = models.JSONField(default=dict)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    acknowledged_by = models.CharField(max_length=120, blank=True, default="")

    class Meta:
        ordering = ["-last_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind"], condition=Q(acknowledged_by=""), name="one_open_alert_a_kind")
        ]

    def __str__(self) -> str:
        return self.kind


class KeyGeneration(models.Model):
    """A version of the key provider's own key: tenants' keys are wrapped under it. The provider holds it, not we."""

    provider = models.CharField(max_length=16)
    number = models.PositiveIntegerField()
    made_at = models.DateTimeField(null=True, blank=True, help_text="By the provider's clock; empty: not known.")
    left_at = models.DateTimeField(null=True, blank=True, help_text="When the next one took its place.")
    destroyed_at = models.DateTimeField(null=True, blank=True)
    owed = models.JSONField(default=list, blank=True, help_text="Nodes that still hold a share of what was destroyed.")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["provider", "number"], name="one_key_generation")]

    def __str__(self) -> str:
        return f"{self.provider} {self.number}"


class BreakGlass(models.Model):
    """A dangerous action that one member of staff asked for and another one has to approve."""

    class What(models.TextChoices):
        SHRED = "shred", "Erase every key of a tenant"
        DISABLE_KEY = "disable_key", "Disable a key version of a tenant"
        ENABLE_KEY = "enable_key", "Enable a disabled key version of a tenant"
        EXPORT_AUDIT = "export_audit", "Export the audit of a tenant, or of the platform"

    what = models.CharField(max_length=16, choices=What)
    tenant = models.CharField(max_length=63, help_text="The tenant's schema; public: the platform.")
    version = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of the key, where one is disabled or enabled."
    )
    first_day = models.DateField(null=True, blank=True, help_text="UTC, where audit is exported.")
    last_day = models.DateField(null=True, blank=True, help_text="UTC, included.")
    why = models.CharField(max_length=200)
    asked_by = models.CharField(max_length=254)
    asked_at = models.DateTimeField()
    approved_by = models.CharField(max_length=254, blank=True, default="")
    approved_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "break-glass request"
        constraints = [
            models.CheckConstraint(condition=~Q(approved_by=F("asked_by")), name="break_glass_takes_two"),
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | ~Q(approved_by=""), name="break_glass_used_once_approved"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.what} at {self.tenant} ({self.pk})"
