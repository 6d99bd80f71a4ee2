"""What both overviews end with, and who may see which part of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

from obscura.core.audit.models import Entry
from obscura.ops.navigation import address, may_see
from obscura.ops.panels import Card, Cell, Table, moment

ENTRIES = 8

Part = tuple[str, Callable[[], tuple[Card | None, list[Table]]]]
"""The model one must be allowed to see, and how its card and its tables are made."""


def parts(site: AdminSite, request: HttpRequest, chosen: list[Part]) -> dict[str, Any]:
    """Cards and tables of those parts that this member of staff may see; the others are not even counted."""
    cards: list[Card] = []
    tables: list[Table] = []
    for label, make in chosen:
        if may_see(site, label, request):
            card, more = make()
            cards += [card] if card else []
            tables += more
    return {"cards": cards, "tables": tables}


def audit(site: AdminSite) -> tuple[None, list[Table]]:
    """The last entries of the present schema."""
    rows = [
        [Cell(moment(one.at)), Cell(one.action), Cell(one.subject), Cell(one.actor)]
        for one in Entry.objects.all()[:ENTRIES]
    ]
    link = address(site, "audit.Entry")
    return None, [Table("Last entries", ("When, UTC", "What", "Of what", "By whom"), rows, link=link)]
