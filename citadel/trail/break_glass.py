"""Dangerous actions: one member of staff asks and says why, another one approves, then it is done once.

Whoever does such a thing spends the request within its own transaction (`spend`), so that there is no way around it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from citadel.trail.models import BreakGlass
from obscura.core import clock, log
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from tenants.scope import PUBLIC, entered
from tenants.services import tenant_by_schema

LIFE = timedelta(minutes=30)
MOST_DAYS = 31
"""An export of the audit covers no more."""

What = BreakGlass.What

_OF_A_VERSION = frozenset({What.DISABLE_KEY, What.ENABLE_KEY})
_logger = log.get("citadel")


class Days(NamedTuple):
    """A range of days, UTC, both included."""

    first: date
    last: date


class NotStaff(Forbidden):
    """Only an active member of the platform's staff may do this."""

    code = "not_staff"
    remedy = "Use the e-mail and password of a member of staff of the back office."


class SamePerson(Forbidden):
    """Whoever asked cannot approve."""

    code = "same_person"
    remedy = "Have another member of staff read the request and approve it."


class RequestUnknown(NotFound):
    """There is no such break-glass request."""

    code = "break_glass_unknown"


class RequestState(Conflict):
    """The request cannot do that any more, or not yet."""

    code = "break_glass_state"
    remedy = "It is approved once and used once, within 30 minutes. Ask anew."


class RequestOfAnother(Conflict):
    """The request was approved for another action, tenant, key version or range of days."""

    code = "break_glass_of_another"
    remedy = "Ask for exactly what is to be done, and have it approved."


@sensitive_variables("password")
def person(*, email: str, password: str) -> str:
    """The e-mail of the member of staff who has this password.

    :raises NotStaff: nobody has
    """
    with entered(PUBLIC):
        found = get_user_model().objects.filter(email__iexact=email.strip(), is_active=True, is_staff=True).first()
        if found is None or not found.check_password(password):
            raise NotStaff
    return str(found.email).lower()


def ask(
    *, what: str, tenant: str, why: str, asked_by: str, version: int | None = None, days: Days | None = None
) -> int:
    """Ask for a dangerous action. The number of the request, which is good for 30 minutes.

    :param tenant: its schema; "public" for the platform's audit
    :param asked_by: e-mail of a member of staff
    :raises Invalid: there is no such action, no reason, or a version or days where none belong
    :raises NotStaff: the one who asks is none
    :raises tenants.directory.UnknownTenant: there is no such tenant
    """
    _sensible(what=what, why=why, version=version, days=days)
    with entered(PUBLIC), transaction.atomic():
        if tenant != PUBLIC:
            tenant_by_schema(tenant)
        elif what != What.EXPORT_AUDIT:
            raise Invalid("The platform itself has no keys.", code="break_glass_tenant")
        email, now = _staff(asked_by), clock.now()
        row = BreakGlass.objects.create(
            what=what,
            tenant=tenant,
            version=version,
            first_day=days and days.first,
            last_day=days and days.last,
            why=why.strip()[:200],
            asked_by=email,
            asked_at=now,
            expires_at=now + LIFE,
        )
        _told("asked", row, actor=f"staff:{email}", why=row.why)
    return int(row.pk)


def approve(*, request_id: int, approved_by: str) -> None:
    """A second member of staff agrees. Who asked is refused, and that is written down too.

    :raises RequestUnknown: there is no such request
    :raises NotStaff: the one who approves is none
    :raises SamePerson: it is who asked
    :raises RequestState: it has expired, or was approved before
    """
    with entered(PUBLIC):
        with transaction.atomic():
            row, email = _locked(request_id), _staff(approved_by)
            now = clock.now()
            why_not: Problem | None = None
            if email == row.asked_by:
                why_not = SamePerson()
            elif row.approved_by:
                why_not = RequestState(f"It was approved by {row.approved_by}.")
            elif row.expires_at <= now:
                why_not = RequestState("It has expired.")
            if why_not is None:
                BreakGlass.objects.filter(pk=row.pk).update(approved_by=email, approved_at=now)
                _told("approved", row, actor=f"staff:{email}")
            else:
                _told("refused", row, actor=f"staff:{email}", code=why_not.code)
        if why_not is not None:
            raise why_not


def spend(*, request_id: int, what: str, tenant: str, version: int | None = None, days: Days | None = None) -> str:
    """Take a request for what the caller does in the same transaction. Both people, as the audit's actor.

    It is taken once and for exactly what was approved. Where the transaction fails, nothing was taken.

    :raises RequestUnknown: there is no such request
    :raises RequestState: it was not approved, was used, or has expired
    :raises RequestOfAnother: something else was approved
    :raises NotStaff: one of the two is no member of staff any more
    """
    with entered(PUBLIC):
        row, now = _locked(request_id), clock.now()
        try:
            _good_for(row, (what, tenant, version, days))
        except Problem as problem:
            _logger.warning("citadel.break_glass.refused", request=row.pk, what=what, tenant=tenant, code=problem.code)
            raise
        BreakGlass.objects.filter(pk=row.pk).update(used_at=now)
        _told("used", row, actor=f"staff:{row.asked_by}", approved_by=row.approved_by)
    return f"break-glass:{row.pk} {row.asked_by} {row.approved_by}"


def request(*, request_id: int) -> BreakGlass:
    """A request as it stands, to be done.

    :raises RequestUnknown: there is none
    """
    with entered(PUBLIC):
        row = BreakGlass.objects.filter(pk=request_id).first()
    if row is None:
        raise RequestUnknown
    return row


def days_of(row: BreakGlass) -> Days | None:
    """The days a request names."""
    return Days(row.first_day, row.last_day) if row.first_day and row.last_day else None


def requests() -> QuerySet[BreakGlass]:
    """All requests, newest first."""
    return BreakGlass.objects.all()


def _sensible(*, what: str, why: str, version: int | None, days: Days | None) -> None:
    if what not in What.values:
        raise Invalid(f"The action is one of: {', '.join(What.values)}.", code="break_glass_what")
    if not why.strip():
        raise Invalid("Say why.", code="break_glass_why")
    if (version is None) is (what in _OF_A_VERSION):
        raise Invalid("A key version belongs to disable_key and enable_key alone.", code="break_glass_version")
    if (days is None) is (what == What.EXPORT_AUDIT):
        raise Invalid("Days, a first and a last, belong to export_audit alone.", code="break_glass_days")
    if days is not None and not 0 <= (days.last - days.first).days < MOST_DAYS:
        raise Invalid(f"An export covers 1 to {MOST_DAYS} days.", code="break_glass_days")


def _good_for(row: BreakGlass, wanted: tuple[str, str, int | None, Days | None]) -> None:
    if row.used_at is not None:
        raise RequestState("It was used.")
    if not row.approved_by or row.approved_by == row.asked_by:
        raise RequestState("Nobody has approved it.", remedy="Have another member of staff approve it first.")
    if row.expires_at <= clock.now():
        raise RequestState("It has expired.")
    if (row.what, row.tenant, row.version, days_of(row)) != wanted:
        raise RequestOfAnother
    for email in (row.asked_by, row.approved_by):
        _staff(email)


def _locked(request_id: int) -> BreakGlass:
    row = BreakGlass.objects.select_for_update().filter(pk=request_id).first()
    if row is None:
        raise RequestUnknown
    return row


def _staff(email: str) -> str:
    found = get_user_model().objects.filter(email__iexact=email.strip(), is_active=True, is_staff=True).first()
    if found is None:
        raise NotStaff
    return str(found.email).lower()


def _told(word: str, row: BreakGlass, *, actor: str, **facts: object) -> None:
    subject = f"break-glass:{row.pk}"
    version = {"version": row.version} if row.version else {}
    days = {"days": f"{row.first_day} to {row.last_day}"} if row.first_day else {}
    audit.record(
        f"citadel.break_glass.{word}",
        actor=actor,
        subject=subject,
        what=row.what,
        tenant=row.tenant,
        **version,
        **days,
        **facts,
    )
