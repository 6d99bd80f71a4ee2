"""A signed-in session says in which schema it was begun."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from tenants.scope import current

KEY = "_tenant"


def install() -> None:
    """Mark every session at sign-in, by whatever way somebody signs in."""
    user_logged_in.connect(mark, dispatch_uid="tenants.access.sessions")


def mark(*, request: HttpRequest | None = None, **_: Any) -> None:
    """Write the present schema into the session that was just signed in."""
    session = getattr(request, "session", None)
    if session is not None:
        session[KEY] = current()


def is_foreign(marked: str | None, schema: str) -> bool:
    """Whether a session was begun in another schema. One without a mark was never signed in."""
    return marked is not None and marked != schema
