"""Exchange accounts and their sealed credentials, in each tenant's schema."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from obscura.core.ids import uuid7


class ExchangeAccount(models.Model):
    """An account at an exchange that belongs to a user. Its keys are elsewhere: sealed, in `Credential`."""

    class Environment(models.TextChoices):
        LIVE = "live", "Live"
        PAPER = "paper", "Paper"

    class Status(models.TextChoices):
        PENDING = "pending", "Being sealed"
        ACTIVE = "active", "Active"
        REFUSED = "refused", "Refused"
        REVOKED = "revoked", "Revoked"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="exchange_accounts")
    exchange = models.CharField(max_length=32, default="binance")
    environment = models.CharField(max_length=5, choices=Environment)
    label = models.CharField(max_length=64)
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    reason = models.CharField(max_length=200, blank=True, default="", help_text="Why it is refused or revoked.")
    hint = models.CharField(max_length=4, blank=True, default="", help_text="Last characters of the API key.")
    permissions = models.JSONField(default=dict, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    egress_address = models.CharField(
        max_length=45,
        blank=True,
        default="",
        db_default="",
        help_text="The address of ours that its requests leave from; empty: the first.",
    )
    caps = models.JSONField(
        default=dict,
        blank=True,
        db_default={},
        help_text="A plain copy of what is agreed for it (citadel.limits.shown); empty: what is usual.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "label"], condition=~models.Q(status="revoked"), name="one_label_an_owner"
            )
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.exchange}, {self.environment})"


class Credential(models.Model):
    """An account's keys as the vault keeps them: first sealed to the intake key, then as envelopes by field."""

    account = models.OneToOneField(ExchangeAccount, on_delete=models.CASCADE, related_name="credential")
    sealed = models.BinaryField(null=True, help_text="What the web sealed; empty once the signer has taken it.")
    envelopes = models.JSONField(default=dict, help_text="Field name to nil:v{n}:{payload}.")
    key_version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Credential of {self.account_id}"


class CapsChange(models.Model):
    """A change of an account's limits on its way to the signer, and what became of it."""

    class State(models.TextChoices):
        ASKED = "asked", "Being made"
        DONE = "done", "Made"
        REFUSED = "refused", "Refused"

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="caps_changes")
    wanted = models.TextField(help_text="The new agreement (citadel.domain.agreement).")
    assertion = models.JSONField(
        default=list, help_text="A passkey's answer in base64url: id, authenticator data, client data, signature."
    )
    state = models.CharField(max_length=7, choices=State, default=State.ASKED)
    reason = models.CharField(max_length=200, blank=True, default="", help_text="Why it was refused.")
    actor = models.CharField(max_length=120)
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(state="asked"), name="one_change_of_caps_asked"
            )
        ]

    def __str__(self) -> str:
        return f"Limits of {self.account_id} ({self.state})"


class UncheckedSigning(models.Model):
    """Whether the vault signs for an exchange what it cannot read. The signer believes `permit`, not the rest."""

    exchange = models.CharField(max_length=32, unique=True)
    permit = models.BinaryField(help_text="As it was sealed when it was switched.")
    number = models.PositiveIntegerField(default=0, help_text="Goes up with every switch.")
    on = models.BooleanField("switched on", default=False)
    switched_by = models.CharField(max_length=120)
    switched_at = models.DateTimeField()

    class Meta:
        verbose_name = "exchange signed for unread"
        verbose_name_plural = "exchanges signed for unread"

    def __str__(self) -> str:
        return f"{self.exchange} ({'on' if self.on else 'off'})"


class KeyVersion(models.Model):
    """A version of this tenant's key-encryption key. One is active: what is sealed now is sealed under it.

    Version 1 has no row: it follows from the root key (citadel.signer.tenant_keys), and a tenant's own begin with 2.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        DECRYPT_ONLY = "decrypt_only", "Decrypt only"
        DISABLED = "disabled", "Disabled"
        DESTROYED = "destroyed", "Destroyed"

    version = models.PositiveIntegerField(unique=True)
    state = models.CharField(max_length=12, choices=State, default=State.ACTIVE)
    wrapped = models.TextField(blank=True, default="", help_text="As the provider wrapped it; empty: destroyed.")
    created_at = models.DateTimeField()
    destroyed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="active"), name="one_active_key_version")
        ]

    def __str__(self) -> str:
        return f"v{self.version} ({self.state})"
