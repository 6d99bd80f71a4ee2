"""What people are at a tenant: a follower by birth; trader, curator or support by appointment."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from obscura.core.audit import write as audit
from obscura.core.errors import Invalid
from tenants.accounts.models import Membership


class UnknownRole(Invalid):
    """A role of that name does not exist."""

    code = "role_unknown"
    remedy = f"Use one of: {', '.join(Membership.Role.values)}."


def roles_of(user: Any) -> frozenset[str]:
    """The roles a person was appointed to."""
    return frozenset(Membership.objects.filter(user=user).values_list("role", flat=True))


def has_role(user: Any, role: str) -> bool:
    """Whether a person was appointed to a role."""
    return Membership.objects.filter(user=user, role=role).exists()


def appoint(*, user: Any, role: str, actor: str) -> None:
    """Give a person a role. Repeating it changes nothing.

    :raises UnknownRole: there is no such role
    """
    if role not in Membership.Role.values:
        raise UnknownRole
    with transaction.atomic():
        _, made = Membership.objects.get_or_create(user=user, role=role)
        if made:
            audit.record("accounts.role.given", actor=actor, subject=f"user:{user.pk}", role=role)


def dismiss(*, user: Any, role: str, actor: str) -> None:
    """Take a role back. Repeating it changes nothing."""
    with transaction.atomic():
        taken, _ = Membership.objects.filter(user=user, role=role).delete()
        if taken:
            audit.record("accounts.role.taken", actor=actor, subject=f"user:{user.pk}", role=role)
