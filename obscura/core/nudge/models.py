"""The one table behind all queues: work that was promised and is not done yet, of every tenant."""

from __future__ import annotations

from django.db import models


class Nudge(models.Model):
    """A promise that a task will run. Done work deletes the row; the sweep sends again what is overdue."""

    tenant = models.CharField(max_length=63, help_text="Schema the task runs in.")
    task = models.CharField(max_length=64)
    queue = models.CharField(max_length=16)
    ids = models.JSONField(default=dict)
    due = models.DateTimeField(help_text="When the sweep may send it again.")
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, default="", blank=True)
    dead = models.BooleanField(default=False, help_text="Tried too often; waits for a person.")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["due"], condition=models.Q(dead=False), name="nudge_due")]

    def __str__(self) -> str:
        return f"{self.task} for {self.tenant} ({self.pk})"


class DeadLetter(Nudge):
    """A nudge that was tried too often, as its tenant's own staff see it."""

    class Meta:
        proxy = True
        verbose_name = "dead letter"

    def __str__(self) -> str:
        return f"{self.task} ({self.pk})"
