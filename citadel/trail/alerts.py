"""Alerts: something unusual is told once, counted while it goes on, and taken note of by a person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import IntegerField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, TruncMinute

from citadel.domain.unusual import USUAL, WINDOW, Fact, unusual
from citadel.trail.models import Alert, SignerEntry
from obscura.core import clock, log
from obscura.core.audit import write as audit
from tenants.scope import PUBLIC, entered

_logger = log.get("citadel")


def raise_alert(kind: str, *, at: datetime, **facts: Any) -> bool:
    """Tell of something unusual. False where it rests on nothing newer than what was told already.

    What nobody has acknowledged yet is counted up; the log has it once.
    """
    with entered(PUBLIC), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"trail:alert:{kind}"])
        last = Alert.objects.filter(kind=kind).order_by("-last_at", "-id").first()
        if last is not None and last.last_at >= at:
            return False
        if last is not None and not last.acknowledged_by:
            Alert.objects.filter(pk=last.pk).update(last_at=at, count=last.count + 1, facts=facts)
            return True
        Alert.objects.create(kind=kind, facts=facts, first_at=at, last_at=at)
        audit.record("citadel.alert.raised", actor="system", subject=f"alert:{kind}", **facts)
    _logger.warning("citadel.alert", kind=kind, **facts)
    return True


def acknowledge(*, alert_id: int, actor: str) -> bool:
    """A person has taken note: what is new of this kind from here on is told again. False: it was acknowledged."""
    with entered(PUBLIC), transaction.atomic():
        taken = Alert.objects.filter(pk=alert_id, acknowledged_by="").update(acknowledged_by=actor[:120])
        if taken:
            kind = Alert.objects.values_list("kind", flat=True).get(pk=alert_id)
            audit.record("citadel.alert.acknowledged", actor=actor, subject=f"alert:{kind}", alert=alert_id)
    return bool(taken)


def waiting() -> int:
    """How many alerts nobody has acknowledged."""
    with entered(PUBLIC):
        return Alert.objects.filter(acknowledged_by="").count()


def watch(*, now: datetime | None = None) -> int:
    """Look for what is unusual in the signer's record of the last minutes. How many alerts were raised or counted."""
    now = now or clock.now()
    with entered(PUBLIC):
        # By when it was heard: what a worker that was away for long fetches late is looked at all the same.
        rows = SignerEntry.objects.filter(heard_at__gte=now - WINDOW, heard_at__lte=now)
        told = rows.exclude(kind="signed", facts__refused={}).order_by("id")
        entries = [
            Fact(at, kind, facts, sequence == 1)
            for at, kind, facts, sequence in told.values_list("heard_at", "kind", "facts", "sequence")
        ]
        signed = (
            SignerEntry.objects.filter(kind="signed", at__gte=now - USUAL - timedelta(minutes=1), at__lte=now)
            .annotate(minute=TruncMinute("at"))
            .values("minute")
            .annotate(count=Sum(Cast(KT("facts__signed"), IntegerField())))
            .order_by("minute")
            .values_list("minute", "count")
        )
        found = unusual(entries, list(signed), now=now)
    return sum(raise_alert(one.kind, at=one.at, **one.facts) for one in found)
