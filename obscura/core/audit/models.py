"""Who did what: append-only rows in every schema. Actors are text, never foreign keys."""

from __future__ import annotations

from django.db import models


class Entry(models.Model):
    """One action, written in the transaction of the change it tells of."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=120)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=120)
    facts = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.action} {self.subject} by {self.actor}"
