"""A partner's end users: made by key, known by the partner's own reference, without a password of their own."""

from __future__ import annotations

import uuid
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, Invalid, NotFound
from tenants.types import PersonRef

NO_MAIL = "@users.invalid"
"""Where an end user has no e-mail: a name under a domain that cannot exist (RFC 2606), so nothing is ever sent."""


class PersonTaken(Conflict):
    """Another user has this reference or e-mail."""

    code = "user_taken"
    remedy = "Use the id that was given out for this reference, or another e-mail."


class PersonUnknown(NotFound):
    """There is no such user."""

    code = "user_unknown"


def make_person(*, external_ref: str, email: str, actor: str) -> tuple[PersonRef, bool]:
    """An end user under the partner's own reference, and whether he is new.

    The same reference with the same e-mail gives the same user again.

    :param email: may be empty
    :raises Invalid: the reference or e-mail cannot be
    :raises PersonTaken: the reference has another e-mail, or the e-mail another user
    """
    wanted, email = external_ref.strip(), email.strip().lower()
    if not 0 < len(wanted) <= 120 or not wanted.isprintable():
        raise Invalid(details={"fields": {"external_ref": "A reference has 1 to 120 printable characters."}})
    if email:
        try:
            validate_email(email)
        except ValidationError:
            raise Invalid(details={"fields": {"email": "This is no e-mail address."}}) from None
        if email.endswith(NO_MAIL):
            raise Invalid(details={"fields": {"email": "Leave the e-mail out where there is none."}})
    users = get_user_model().objects
    known = users.filter(external_ref=wanted).first()
    if known is None:
        try:
            with transaction.atomic():
                made = users.create_user(email or f"{uuid.uuid4()}{NO_MAIL}", None, external_ref=wanted)
                audit.record("accounts.person.made", actor=actor, subject=f"user:{made.pk}")
            return _ref(made), True
        except IntegrityError:
            known = users.filter(external_ref=wanted).first()  # somebody was faster, or the e-mail is another's
    if known is None or _ref(known).email != email:
        raise PersonTaken
    return _ref(known), False


def person(user_id: UUID) -> PersonRef:
    """One user of the present tenant.

    :raises PersonUnknown: there is none of this id
    """
    found = get_user_model().objects.filter(pk=user_id).first()
    if found is None:
        raise PersonUnknown
    return _ref(found)


def _ref(user: object) -> PersonRef:
    email = str(user.email)  # type: ignore[attr-defined]
    return PersonRef(
        id=user.pk,  # type: ignore[attr-defined]
        external_ref=user.external_ref or "",  # type: ignore[attr-defined]
        email="" if email.endswith(NO_MAIL) else email,
        created_at=user.date_joined,  # type: ignore[attr-defined]
    )
