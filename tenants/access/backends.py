"""Signing in with e-mail and password, among the people of the present schema alone."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend


class TenantBackend(AuthenticationBackend):  # type: ignore[misc]
    """allauth's backend. Every lookup goes through the context's search path, so it sees one schema's people.

    That a session cannot be carried to another schema is ensured twice: by `tenants.access.sessions`, and because
    `User.get_session_auth_hash` has the schema in its salt.
    """

    def get_user(self, user_id: Any) -> Any:
        user = super().get_user(user_id)
        return user if user is not None and user.is_active else None
