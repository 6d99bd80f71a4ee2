"""The cast of all stories: Ada leads; Ben and Cleo follow. Each may live at any tenant, and at several."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from tenants.models import Tenant
from tenants.scope import entered

PASSWORD = "a long enough phrase"  # noqa: S105


class Cast:
    """Makes people. The same name at the same tenant is the same person.

    ``cast.ben()`` lives in the present tenant, ``cast.ben(at=beta)`` at another; all have the password `PASSWORD`
    and a confirmed e-mail ``<name>@example.com``.
    """

    def ada(self, *, at: Tenant | None = None, **fields: object):
        """The lead."""
        return self.person("ada", at=at, **fields)

    def ben(self, *, at: Tenant | None = None, **fields: object):
        """A follower."""
        return self.person("ben", at=at, **fields)

    def cleo(self, *, at: Tenant | None = None, **fields: object):
        """Another follower."""
        return self.person("cleo", at=at, **fields)

    def staff(self, *, at: Tenant | None = None, **fields: object):
        """A member of staff with every permission in that schema."""
        return self.person("stella", at=at, is_staff=True, is_superuser=True, **fields)

    def person(self, name: str, *, at: Tenant | None = None, **fields: object):
        """Anybody, e.g. one of a crowd: ``cast.person("f17")``."""
        if at is not None:
            with entered(at):
                return self.person(name, **fields)
        from allauth.account.models import EmailAddress

        users, email = get_user_model().objects, f"{name}@example.com"
        found = users.filter(email=email).first()
        if found is None:
            found = users.create_user(email, PASSWORD, name=name.capitalize(), **fields)
            EmailAddress.objects.create(user=found, email=email, verified=True, primary=True)
        return found
