"""The plans a tenant may be on: what each allows, in the public schema."""

from __future__ import annotations

from django.db import models


class Plan(models.Model):
    """A plan and its limits; an empty limit is no limit."""

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=60)
    max_subscriptions = models.PositiveIntegerField(null=True, blank=True)
    max_copy_usd = models.DecimalField(max_digits=18, decimal_places=2, null=True, blank=True)
    api = models.BooleanField(default=True)
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="For all API keys of a tenant together."
    )

    def __str__(self) -> str:
        return self.name
