"""Who may: nobody unless a view says otherwise; keys by scope, people by being one and by role."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission

from obscura.core.errors import Forbidden
from tenants.access.authentication import Caller
from tenants.access.roles import has_role
from tenants.types import KeyHolder


class ScopeMissing(Forbidden):
    """This key lacks a scope."""

    code = "scope_missing"


class RoleMissing(Forbidden):
    """This needs a role you do not have."""

    code = "role_missing"


class DenyAll(BasePermission):
    """What holds where a view names nothing: a forgotten permission opens no door."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return False


class IsPerson(BasePermission):
    """A signed-in person of this tenant; a key is none."""

    def has_permission(self, request: Any, view: Any) -> bool:
        user = request.user
        return user is not None and user.is_authenticated and not isinstance(user, Caller)


class _Parametrised(BasePermission):
    def __call__(self) -> BasePermission:
        return self  # DRF calls what stands in permission_classes


class HasScope(_Parametrised):
    """A key with a scope: ``permission_classes = [HasScope("signal:write")]``; several, and any of them will do."""

    def __init__(self, *scopes: str) -> None:
        self.scopes = scopes

    def has_permission(self, request: Any, view: Any) -> bool:
        if not isinstance(request.auth, KeyHolder):
            return False
        if request.auth.scopes.isdisjoint(self.scopes):
            raise ScopeMissing(remedy=f"Use a key with the scope {' or '.join(self.scopes)}.")
        return True


class HasRole(_Parametrised):
    """A person with a role: ``permission_classes = [HasRole("trader")]``; several, and any of them will do."""

    def __init__(self, *roles: str) -> None:
        self.roles = roles

    def has_permission(self, request: Any, view: Any) -> bool:
        if not IsPerson().has_permission(request, view):
            return False
        if not any(has_role(request.user, role) for role in self.roles):
            raise RoleMissing(remedy=f"Ask your operator for the role {' or '.join(self.roles)}.")
        return True
