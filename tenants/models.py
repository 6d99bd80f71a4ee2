"""Tenants, the hosts they are reached at, and their API keys: the directory in the public schema."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin

hex_colour = RegexValidator(r"^#[0-9a-fA-F]{6}$", "Write the colour as #rrggbb.")


class Tenant(TenantMixin):  # type: ignore[misc]
    """One brand with a schema of its own. Its id goes into client order ids and stays below 2**24."""

    class Kind(models.TextChoices):
        ZERO = "zero", "Tenant Zero"
        PARTNER = "partner", "Partner"
        OFFICE = "office", "Back office"
        TEMPLATE = "template", "Template"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        SUSPENDED = "suspended", "Suspended"

    class Halt(models.TextChoices):
        OPENS = "opens", "Opens nothing"
        CLOSE = "close", "Opens nothing and closes everything"

    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PARTNER)
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    brand_colour = models.CharField(max_length=7, default="#d9a62e", validators=[hex_colour])
    offers_curated = models.BooleanField(default=True, help_text="Curated pools are shown to this tenant's users.")
    entitlements = models.JSONField(default=dict, blank=True)
    halt = models.CharField(
        max_length=5, choices=Halt, blank=True, default="", db_default="", help_text="Its own kill switch."
    )
    platform_halt = models.CharField(
        max_length=5, choices=Halt, blank=True, default="", db_default="", help_text="The platform's kill switch."
    )
    created_at = models.DateTimeField()

    auto_create_schema: ClassVar[bool] = False  # tenants.onboarding opens a tenant from the template schema
    auto_drop_schema: ClassVar[bool] = False

    def __str__(self) -> str:
        return str(self.name)


class Domain(DomainMixin):  # type: ignore[misc]
    """A host name at which a tenant is reached."""


class ApiKey(models.Model):
    """A partner's key. Only its digest is kept; the key itself is shown once."""

    class Environment(models.TextChoices):
        LIVE = "live", "Live"
        TEST = "test", "Test (paper venue only)"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    label = models.CharField(max_length=80)
    prefix = models.CharField(max_length=24, help_text="The part that is shown, e.g. obsc_test_1a2b3c4d.")
    digest = models.CharField(max_length=64, unique=True)
    environment = models.CharField(max_length=4, choices=Environment)
    scopes = ArrayField(models.CharField(max_length=32), default=list)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.label})"
