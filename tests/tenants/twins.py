"""The hardest case for tokens: two tenants with a user of the same e-mail, password, and even primary key."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from allauth.account.models import EmailAddress

from tenants.scope import entered


class Twins(NamedTuple):
    """Ben of Alpha and Ben of Beta, row for row the same."""

    here: Any
    there: Any


def twins(cast: Any, alpha: Any, beta: Any) -> Twins:
    """Copy Ben of Alpha, with his e-mail's row, to Beta under the same keys."""
    here = cast.ben(at=alpha)
    with entered(alpha):
        address = EmailAddress.objects.get(user=here)
    with entered(beta):
        there = copy.copy(here)
        there._state = copy.copy(here._state)
        there._state.adding = True
        there.save(force_insert=True)
        EmailAddress.objects.create(pk=address.pk, user=there, email=address.email, verified=True, primary=True)
    assert (here.pk, here.email, here.password) == (there.pk, there.email, there.password)
    return Twins(here, there)
