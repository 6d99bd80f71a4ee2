"""Dangerous actions on keys: one member of staff asks and says why, another one approves, then it is done once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from citadel import keyring
from citadel.trail.models import BreakGlass
from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from tenants.scope import PUBLIC, entered
from tenants.services import tenant_by_schema

LIFE = timedelta(minutes=30)
What = BreakGlass.What


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


def ask(*, what: str, tenant: str, why: str, asked_by: str, version: int | None = None) -> int:
    """Ask for a dangerous action. The number of the request, which is good for 30 minutes.

    :param tenant: its schema
    :param asked_by: e-mail of a member of staff
    :raises Invalid: there is no such action, no reason, or a version where none belongs
    :raises NotStaff: the one who asks is none
    :raises tenants.directory.UnknownTenant: there is no such tenant
    """
    if what not in What.values:
        raise Invalid(f"The action is one of: {', '.join(What.values)}.", code="break_glass_what")
    if not why.strip():
        raise Invalid("Say why.", code="break_glass_why")
    if (version is None) is (what == What.DISABLE_KEY):
        raise Invalid("A key version belongs to disable_key, and to it alone.", code="break_glass_version")
    with entered(PUBLIC), transaction.atomic():
        if tenant == PUBLIC:
            raise Invalid("The platform itself has no keys.", code="break_glass_tenant")
        tenant_by_schema(tenant)
        email, now = _staff(asked_by), clock.now()
        row = BreakGlass.objects.create(
            what=what,
            tenant=tenant,
            version=version,
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


def use(*, request_id: int) -> str:
    """Do what was asked and approved, once. A sentence about what was done.

    If it fails nothing of it has happened, and the request can be used again.

    :raises RequestUnknown: there is no such request
    :raises RequestState: it was not approved, was used, or has expired
    """
    with entered(PUBLIC), transaction.atomic():
        row, now = _locked(request_id), clock.now()
        if row.used_at is not None:
            raise RequestState("It was used.")
        if not row.approved_by:
            raise RequestState("Nobody has approved it.", remedy="Have another member of staff approve it first.")
        if row.expires_at <= now:
            raise RequestState("It has expired.")
        BreakGlass.objects.filter(pk=row.pk).update(used_at=now)
        _told("used", row, actor=f"staff:{row.asked_by}", approved_by=row.approved_by)
        with entered(row.tenant):
            return _ACTIONS[What(row.what)](row)


def requests() -> QuerySet[BreakGlass]:
    """All requests, newest first."""
    return BreakGlass.objects.all()


def _shred(row: BreakGlass) -> str:
    lost = keyring.shred(actor=_two(row))
    return f"Every key of {row.tenant} is erased; {lost} credentials open never again."


def _disable(row: BreakGlass) -> str:
    keyring.set_disabled(version=row.version or 0, disabled=True, actor=_two(row))
    return f"Version {row.version} of {row.tenant} is disabled."


_ACTIONS: dict[What, Callable[[BreakGlass], str]] = {What.SHRED: _shred, What.DISABLE_KEY: _disable}


def _two(row: BreakGlass) -> str:
    return f"break-glass:{row.pk} {row.asked_by} {row.approved_by}"


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
    audit.record(
        f"citadel.break_glass.{word}",
        actor=actor,
        subject=subject,
        what=row.what,
        tenant=row.tenant,
        **version,
        **facts,
    )
