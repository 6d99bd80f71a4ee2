"""The back office at a glance: tenants, processes, nudges, exchanges, curated pools, and what was done last."""

from __future__ import annotations

import time
from typing import Any

import redis
from django.db.models import Count, F, Min, Q
from django.http import HttpRequest

from obscura.core import alive, clock, log
from obscura.core.nudge.models import Nudge
from obscura.ops import overview, sites
from obscura.ops.navigation import address
from obscura.ops.panels import Card, Cell, Table, age, note
from pools.curated.models import CuratedFollowing, CuratedPool
from tenants.models import Domain, Tenant
from trading import services as trading

SHOWN = 12
COLOURS = {"open": "success", "suspended": "danger", "published": "success", "withdrawn": "warning", "draft": "info"}

_logger = log.get("overview")


def office(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The context of the office's index page."""
    site = sites.office
    chosen: list[overview.Part] = [
        ("tenants.Tenant", tenants),
        ("nudge.Nudge", processes),
        ("nudge.Nudge", nudges),
        ("nudge.Nudge", outside),
        ("curated.CuratedPool", curated),
        ("audit.Entry", lambda: overview.audit(site)),
    ]
    return {**context, **overview.parts(site, request, chosen)}


def _partners() -> Any:
    return Tenant.objects.filter(kind__in=[Tenant.Kind.ZERO, Tenant.Kind.PARTNER])


def tenants() -> tuple[Card, list[Table]]:
    """Tenants by state, and the newest of them with their hosts. The platform's own rows are no tenants."""
    counted = _partners().aggregate(
        open=Count("pk", Q(status=Tenant.Status.OPEN)), suspended=Count("pk", Q(status=Tenant.Status.SUSPENDED))
    )
    newest = list(_partners().order_by("-created_at", "-pk")[:SHOWN])
    hosts = dict(Domain.objects.filter(tenant__in=newest, is_primary=True).values_list("tenant_id", "domain"))
    link = address(sites.office, "tenants.Tenant")
    rows = [
        [
            Cell(one.name, link=f"{link}{one.pk}/change/"),
            Cell(one.get_kind_display()),
            Cell(one.get_status_display(), COLOURS[one.status]),
            Cell(hosts.get(one.pk, "none")),
        ]
        for one in newest
    ]
    card = Card("Tenants open", counted["open"], [note(counted["suspended"], "suspended", label="danger")], link)
    return card, [Table("Tenants, newest first", ("Tenant", "Kind", "State", "Host"), rows, link=link, place="left")]


def processes() -> tuple[Card, list[Table]]:
    """Which kinds of process have reported within the last ten seconds, how many of each, and how long ago."""
    try:
        found = alive.processes()
    except redis.RedisError as error:
        _logger.warning("overview.no_processes", error=type(error).__name__)
        return Card("Processes alive", "?", [Cell("Redis does not answer", "danger")]), []
    now = time.time()
    rows = []
    for name in sorted({str(one["process"]) for one in found}):
        kind = [one for one in found if one["process"] == name]
        facts = kind[0].items() if len(kind) == 1 else ()
        told = ", ".join(f"{key} {value}" for key, value in facts if key not in ("process", "pid", "at"))
        ages = [now - float(one["at"]) for one in kind]
        rows.append([Cell(name), Cell(len(kind)), Cell(f"{age(max(ages))} ago"), Cell(told)])
    silent = f"None has reported within {alive.SILENT_AFTER_S:.0f} s."
    notes = [Cell(f"{len(rows)} kinds")] if found else [Cell("none has reported", "danger")]
    table = Table("Processes", ("Process", "Alive", "Last heard", "Says"), rows, empty=silent, place="right")
    return Card("Processes alive", len(found), notes), [table]


def nudges() -> tuple[Card, list[Table]]:
    """Work that was promised: on its way, overdue (the sweep is late), dead (it waits for a person)."""
    now = clock.now()
    states = {"waiting": Q(dead=False, due__gt=now), "overdue": Q(dead=False, due__lte=now), "dead": Q(dead=True)}
    counts = {f"{name}_count": Count("pk", which) for name, which in states.items()}
    oldest = {f"{name}_since": Min("created_at", filter=which) for name, which in states.items()}
    found = Nudge.objects.aggregate(**counts, **oldest)
    count = {name: found[f"{name}_count"] for name in states}
    colours = {"waiting": "info", "overdue": "warning", "dead": "danger"}
    rows = []
    for name, colour in colours.items():
        since = found[f"{name}_since"]
        old = age((now - since).total_seconds()) if since else "none"
        rows.append([Cell(name, colour if count[name] else ""), Cell(f"{count[name]:,}"), Cell(old)])
    link = address(sites.office, "nudge.Nudge")
    notes = [note(count["overdue"], "overdue", label="warning"), note(count["dead"], "dead", label="danger")]
    card = Card("Nudges waiting", f"{count['waiting']:,}", notes, link)
    return card, [Table("Nudges", ("State", "How many", "Oldest"), rows, link=link, place="left")]


def outside() -> tuple[Card, list[Table]]:
    """Where orders were sent to within the last hour: does the exchange answer, how much of its limits is used."""
    try:
        found = trading.outlook()
    except redis.RedisError as error:
        _logger.warning("overview.no_outlook", error=type(error).__name__)
        return Card("Exchanges that answer", "?", [Cell("Redis does not answer", "danger")]), []
    rows = [
        [
            Cell(f"{one.exchange} {one.market}, {one.environment}"),
            Cell(one.address or "any"),
            _breaker(one),
            Cell(f"{one.failures:,}", "warning" if one.failures else ""),
            Cell(age(one.pause_s), "warning") if one.pause_s else Cell("no"),
            _level(one.weight) if one.weight else Cell("not limited"),
            Cell("; ".join(f"{bucket.used:,} of {bucket.limit:,} in {bucket.name}" for bucket in one.orders) or "none"),
        ]
        for one in found
    ]
    away = {one[:3] for one in found if one.breaker != "closed"}
    paused = sum(1 for one in found if one.pause_s)
    notes = [note(len(away), "do not answer", label="danger"), note(paused, "asked for a pause", label="warning")]
    headers = ("Exchange", "From", "Breaker", "Failures in a row", "Pause", "Weight", "Fullest account's orders")
    table = Table("Exchanges", headers, rows, empty="Nothing was sent within the last hour.")
    return Card("Exchanges that answer", len({one[:3] for one in found} - away), notes), [table]


def _breaker(one: trading.Outlook) -> Cell:
    if one.since is None:
        return Cell(one.breaker, "success")
    since = age((clock.now() - one.since).total_seconds())
    return Cell(f"{one.breaker} for {since}", "danger" if one.breaker == "open" else "warning")


def _level(bucket: trading.Bucket) -> Cell:
    part = bucket.used / bucket.limit
    label = "danger" if part >= 1 else "warning" if part >= 0.8 else ""
    return Cell(f"{bucket.used:,} of {bucket.limit:,} in {bucket.name}", label)


def curated() -> tuple[Card, list[Table]]:
    """Curated pools and where they are followed."""
    names = dict(Tenant.objects.values_list("schema_name", "name"))
    followings = CuratedFollowing.objects.filter(followers__gt=0).order_by("-followers", "tenant")
    by_pool: dict[object, list[tuple[str, int]]] = {}
    for pool, schema, count in followings.values_list("pool_id", "tenant", "followers"):
        by_pool.setdefault(pool, []).append((names.get(schema, schema), count))
    link = address(sites.office, "curated.CuratedPool")
    rows = []
    pools = list(CuratedPool.objects.order_by(F("published_at").desc(nulls_last=True), "name"))
    for one in pools[:SHOWN]:
        where = by_pool.get(one.pk, [])
        told = ", ".join(f"{name} {count:,}" for name, count in where[:4])
        told += f" and {len(where) - 4} more" if len(where) > 4 else ""
        rows.append(
            [
                Cell(one.name, link=f"{link}{one.pk}/change/"),
                Cell(one.get_status_display(), COLOURS[one.status]),
                Cell(f"{sum(count for _, count in where):,}"),
                Cell(told or "nobody"),
            ]
        )
    published = sum(one.status == CuratedPool.Status.PUBLISHED for one in pools)
    everywhere = [place for places in by_pool.values() for place in places]
    notes = [
        note(sum(count for _, count in everywhere), "followers"),
        note(len({name for name, _ in everywhere}), "tenants"),
    ]
    headers = ("Pool", "State", "Followers", "By tenant")
    return Card("Curated pools", published, notes, link), [Table("Curated pools", headers, rows, link=link)]
