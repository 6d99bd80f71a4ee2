"""Curated pools as the platform publishes them, and who follows them where: the public schema's part of pools."""

from __future__ import annotations

from django.db import models


class CuratedPool(models.Model):
    """A pool of Tenant Zero that is offered to other tenants, where it appears under the same id."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id = models.UUIDField(primary_key=True, help_text="The id of Tenant Zero's pool.")
    name = models.CharField(max_length=80)
    description = models.TextField(blank=True)
    risk_class = models.CharField(max_length=6, default="medium")
    slots = models.PositiveSmallIntegerField(default=10)
    leverage = models.PositiveSmallIntegerField(default=1)
    max_slippage_bps = models.PositiveSmallIntegerField(default=50)
    signal_ttl_s = models.PositiveSmallIntegerField(default=30)
    fee_percentage = models.DecimalField(max_digits=5, decimal_places=2, default=10)
    traders = models.JSONField(default=list, help_text="[{id, name, weight}]: what followers may know of the leads.")
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT)
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.CharField(max_length=120, blank=True)

    def __str__(self) -> str:
        return self.name


class CuratedFollowing(models.Model):
    """How many active followers a curated pool has at a tenant: a signal is relayed only where someone follows."""

    pool = models.ForeignKey(CuratedPool, on_delete=models.CASCADE, related_name="followings")
    tenant = models.CharField(max_length=63, help_text="The tenant's schema.")
    followers = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "tenant"], name="one_following")]

    def __str__(self) -> str:
        return f"{self.pool_id} at {self.tenant}: {self.followers}"
