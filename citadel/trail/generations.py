"""What is known here of the provider's generations, and until when backups can be read because of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from citadel.client import Generations
from citadel.domain.horizon import SLACK, Horizon, HorizonInvalid
from citadel.trail.alerts import raise_alert
from citadel.trail.models import KeyGeneration
from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Unavailable
from tenants.scope import PUBLIC, entered


class Promise(NamedTuple):
    """When what was erased is unreadable in every backup of the database.

    :param by: not later than this day
    :param except_before: backups from before open with the root key for good; None: there are none
    """

    by: date
    except_before: date | None

    def __str__(self) -> str:
        first = f"Older backups of the database open it no more not later than {self.by}"
        if self.except_before is None:
            return f"{first}."
        return f"{first}; those from before {self.except_before} open with the root key: let them expire."


class HorizonUnknown(Unavailable):
    """OBSCURA_KEYS_HORIZON_DAYS is not understood."""

    code = "horizon_unknown"
    remedy = "Give days: more than 0, at most 3650. The signer reads it too."


def horizon() -> Horizon:
    """As it is configured.

    :raises HorizonUnknown: it is not understood
    """
    try:
        return Horizon.read(settings.KEYS_HORIZON_DAYS)
    except HorizonInvalid:
        raise HorizonUnknown from None


def generations() -> QuerySet[KeyGeneration]:
    """All that were ever heard of, newest first."""
    return KeyGeneration.objects.all()


def promise(*, oldest_key: datetime | None) -> Promise:
    """What can be said when something is erased now.

    :param oldest_key: when the first of the keys was made that it was sealed under; None: under one of the root key
    """
    now = clock.now()
    with entered(PUBLIC):
        known = KeyGeneration.objects.exclude(made_at=None)
        active = known.filter(left_at=None).first()
        first = known.order_by("made_at").first()
    by = horizon().unreadable_by(made=active.made_at if active and active.made_at else now, now=now)
    # Generation 1 of the local provider follows from the root key, as tenants' version 1 does: neither can be erased.
    derived = oldest_key is None
    if first is not None and first.provider == "local" and first.made_at:
        derived = derived or (oldest_key is not None and oldest_key < first.made_at)
    return Promise(by, (first.made_at if first and first.made_at else now).date() if derived else None)


def remember(found: Generations) -> None:
    """Write down what the vault says of its generations, and what became of those it does not name any more."""
    now, numbers = clock.now(), sorted(found.made)
    owed = sorted(set(found.owed))
    with entered(PUBLIC), transaction.atomic():
        with connection.cursor() as cursor:  # rows are locked one by one, and two turns at once would meet crosswise
            cursor.execute("select pg_advisory_xact_lock(hashtextextended('trail:generations', 0))")
        for number, following in zip(numbers, [*numbers[1:], None], strict=True):
            left = None if following is None else _moment(found.made[following]) or now
            row, fresh = KeyGeneration.objects.select_for_update().get_or_create(
                provider=found.kept,
                number=number,
                defaults={"made_at": _moment(found.made[number]), "left_at": left},
            )
            if fresh:
                audit.record("citadel.generation.made", actor="system", subject=f"generation:{row}")
            elif left is not None and row.left_at != left:
                KeyGeneration.objects.filter(pk=row.pk).update(left_at=left)
        # Of a later one somebody else may know already.
        gone = KeyGeneration.objects.filter(provider=found.kept, number__lt=numbers[-1]).exclude(number__in=numbers)
        for row in gone.filter(destroyed_at=None):
            KeyGeneration.objects.filter(pk=row.pk).update(destroyed_at=now)
            audit.record("citadel.generation.destroyed", actor="system", subject=f"generation:{row}", owed=owed)
        # Which of those that are gone a node still holds is not told one by one: all wait until nothing is owed.
        if not owed and gone.exclude(owed=[]).exists():
            audit.record("citadel.generation.settled", actor="system", subject=f"generations:{found.kept}")
            gone.update(owed=[])
        elif owed:
            gone.exclude(owed=[]).update(owed=owed)
            gone.filter(destroyed_at=now).update(owed=owed)


def watch() -> bool:
    """Raise an alert where a day that was promised is in danger: no generation is made or destroyed when it is due, or
    a node owes a deletion. Whether one was raised or counted."""
    now, half = clock.now(), horizon()
    with entered(PUBLIC):
        rows = list(KeyGeneration.objects.exclude(destroyed_at__isnull=False, owed=[]))
    kept = [row for row in rows if row.destroyed_at is None]
    late = [row.number for row in kept if row.left_at and half.ripe(left=row.left_at + SLACK, now=now)]
    late += [
        row.number for row in kept if not row.left_at and row.made_at and half.due(made=row.made_at + SLACK, now=now)
    ]
    nodes = sorted({node for row in rows for node in row.owed})
    if not late and not nodes:
        return False
    return raise_alert("generation_overdue", at=now, numbers=sorted(late), nodes=nodes)


def _moment(milliseconds: int) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
