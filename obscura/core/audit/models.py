"""Who did what: append-only rows in every schema. Actors are text, never foreign keys."""

from __future__ import annotations

from django.db import models


class Entry(models.Model):
    """One action, written in the transaction of the change it tells of.

    The database refuses to change or delete it. Its place in the chain is given later, once, by the sequencer.
    """

    at = models.DateTimeField()
    actor = models.CharField(max_length=120)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=120)
    facts = models.JSONField(default=dict, blank=True)
    position = models.BigIntegerField(
        null=True, unique=True, editable=False, help_text="Its place in the chain, from 1."
    )
    previous = models.CharField(max_length=64, null=True, editable=False, help_text="The digest before it.")
    digest = models.CharField(max_length=64, null=True, editable=False, help_text="SHA-256 over all of it.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "entries"
        indexes = [models.Index(fields=["id"], condition=models.Q(position__isnull=True), name="audit_unchained")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject} by {self.actor}"
