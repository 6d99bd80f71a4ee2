"""Two members of the platform's staff who agree: what a dangerous action of the vault takes."""

from __future__ import annotations

from citadel.trail import break_glass
from citadel.trail.break_glass import Days
from tenants.scope import PUBLIC, current, entered
from tests.support.people import Cast

ROB, STELLA = "rob@example.com", "stella@example.com"


def asked(what: str, *, tenant: str | None = None, version: int | None = None, days: Days | None = None) -> int:
    """A request of Rob's that waits for another person."""
    where = tenant or current()
    with entered(PUBLIC):
        Cast().person("rob", is_staff=True, is_superuser=True)
        Cast().staff()
    return break_glass.ask(what=what, tenant=where, why="Has left.", asked_by=ROB, version=version, days=days)


def granted(what: str, *, tenant: str | None = None, version: int | None = None, days: Days | None = None) -> int:
    """A request of Rob's that Stella has approved."""
    number = asked(what, tenant=tenant, version=version, days=days)
    break_glass.approve(request_id=number, approved_by=STELLA)
    return number
