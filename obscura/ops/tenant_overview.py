"""A tenant at a glance: people, exchange accounts, pools, subscriptions, a day of copies, and what was done last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest

from citadel.models import ExchangeAccount
from obscura.core import clock
from obscura.ops import overview, sites
from obscura.ops.navigation import address
from obscura.ops.panels import Card, Cell, Table, note
from pools.models import Pool, Subscription
from tenants.accounts.models import User
from trading.domain.order_state import IN_FLIGHT, Status
from trading.models import Denial, Order, Signal

SHOWN = 10
REASONS = 6
DAY = timedelta(hours=24)
COLOURS = {"active": "success", "pending": "info", "draft": "info", "refused": "danger", "paused": "warning"}


def tenant(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The context of a tenant's index page. All of it is of the present schema."""
    site = sites.tenant
    chosen: list[overview.Part] = [
        ("accounts.User", people),
        ("citadel.ExchangeAccount", accounts),
        ("pools.Subscription", subscriptions),
        ("pools.Subscription", copies),
        ("pools.Pool", pools),
        ("audit.Entry", lambda: overview.audit(site)),
    ]
    return {**context, **overview.parts(site, request, chosen)}


def people() -> tuple[Card, list[Table]]:
    """How many there are, and how many of them are staff or shut out."""
    found = User.objects.aggregate(
        active=Count("pk", Q(is_active=True)), staff=Count("pk", Q(is_staff=True)), out=Count("pk", Q(is_active=False))
    )
    notes = [note(found["staff"], "staff"), note(found["out"], "not active", label="warning")]
    return Card("People", f"{found['active']:,}", notes, address(sites.tenant, "accounts.User")), []


def accounts() -> tuple[Card, list[Table]]:
    """Exchange accounts by state."""
    counted = dict(ExchangeAccount.objects.values_list("status").annotate(n=Count("pk")))
    states = ExchangeAccount.Status
    others = [one for one in states if one != states.ACTIVE and counted.get(one)]
    notes = [note(counted[one], one.label.lower(), label=COLOURS.get(one, "")) for one in others]
    link = address(sites.tenant, "citadel.ExchangeAccount")
    card = Card("Active accounts", f"{counted.get(states.ACTIVE, 0):,}", notes or [Cell("all of them")], link)
    if not counted:
        card = Card("Active accounts", 0, [Cell("none connected")], link)
    return card, []


def subscriptions() -> tuple[Card, list[Table]]:
    """Subscriptions that copy, and those that do not open anything."""
    counted = dict(Subscription.objects.values_list("status").annotate(n=Count("pk")))
    states = Subscription.Status
    notes = [
        note(counted.get(states.PAUSED, 0), "paused", label="warning"),
        note(counted.get(states.CLOSING, 0), "closing only"),
    ]
    link = address(sites.tenant, "pools.Subscription")
    return Card("Live subscriptions", f"{counted.get(states.ACTIVE, 0):,}", notes, link), []


def copies() -> tuple[Card, list[Table]]:
    """What became of the signals of the last 24 hours, and why what was denied was denied.

    Orders and denials are found by their signals, of which there are few: neither has an index by time.
    """
    since = clock.now() - DAY
    signals = Signal.objects.filter(received_at__gte=since)
    orders = Order.objects.filter(signal_id__in=signals.values("pk"))
    by_status = {
        Status(status): (count, some)
        for status, count, some in orders.values_list("status").annotate(n=Count("pk"), s=Count("pk", Q(filled__gt=0)))
    }
    whole = by_status.get(Status.FILLED, (0, 0))[0]
    under_way = sum(count for status, (count, _) in by_status.items() if status in IN_FLIGHT)
    rejected = by_status.get(Status.REJECTED, (0, 0))[0]
    ended = [by_status.get(one, (0, 0)) for one in (Status.CANCELED, Status.EXPIRED, Status.MISSED)]
    in_part, missed = sum(some for _, some in ended), sum(count - some for count, some in ended)
    reasons = list(
        Denial.objects.filter(signal_id__in=signals.values("pk"))
        .values_list("reason")
        .annotate(n=Count("pk"))
        .order_by("-n", "reason")
    )
    denied = sum(count for _, count in reasons)

    rows = [
        [Cell(words), Cell(f"{count:,}")]
        for words, count in (
            ("Signals", signals.count()),
            ("Copied in full", whole),
            ("Copied in part", in_part),
            ("On their way", under_way),
            ("Not filled", missed),
            ("Rejected by the exchange", rejected),
            ("Denied by us", denied),
        )
    ]
    why = [
        [Cell(reason.replace("_", " ").capitalize()), Cell(f"{count:,}"), Cell(f"{100 * count / denied:.0f} %")]
        for reason, count in reasons[:REASONS]
    ]
    notes = [note(denied, "denied"), note(rejected, "rejected", label="danger")]
    day = Table("Last 24 hours", ("Outcome", "How many"), rows, place="left")
    return Card("Copies in 24 h", f"{whole + in_part:,}", notes), [
        day,
        Table("Reasons of denials, 24 h", ("Reason", "Denials", "Share"), why, "Nothing was denied.", place="right"),
    ]


def pools() -> tuple[None, list[Table]]:
    """The pools with the most live subscriptions."""
    live = Count("subscriptions", Q(subscriptions__status=Subscription.Status.ACTIVE))
    link = address(sites.tenant, "pools.Pool")
    rows = [
        [
            Cell(one.name, link=f"{link}{one.pk}/change/"),
            Cell(one.get_kind_display()),
            Cell(one.get_status_display(), COLOURS.get(one.status, "")),
            Cell(one.get_risk_class_display()),
            Cell(f"{one.live:,}"),
        ]
        for one in Pool.objects.annotate(live=live).order_by("-live", "name", "pk")[:SHOWN]
    ]
    headers = ("Pool", "Kind", "State", "Risk", "Live subscriptions")
    return None, [Table("Pools", headers, rows, empty="There is no pool yet.", link=link)]
