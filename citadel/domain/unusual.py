"""What is unusual about the last minutes of the signer's record: values in, findings out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from citadel.domain.trail import moves_money

WINDOW = timedelta(minutes=5)
USUAL = timedelta(hours=1)
"""So far back it is looked what a usual minute is."""


class Fact(NamedTuple):
    """An entry of the signer's record.

    :param at: when it was heard
    :param first: whether it is the first of its chain: the signer was never there before
    """

    at: datetime
    kind: str
    facts: Mapping[str, Any]
    first: bool = False


class Limits(NamedTuple):
    """From where on something is unusual.

    :param refusals: of one code, within the window
    :param tenants: of which something did not open, within the window
    :param times: signatures of a minute, as a multiple of the usual minute
    :param quiet: a usual minute is taken to have at least so many signatures
    """

    refusals: int = 200
    tenants: int = 3
    times: int = 5
    quiet: int = 1_000


USUAL_LIMITS = Limits()


class Finding(NamedTuple):
    """Something unusual.

    :param at: of the newest entry that it rests on
    """

    kind: str
    at: datetime
    facts: dict[str, Any]


def unusual(
    entries: Iterable[Fact], minutes: Sequence[tuple[datetime, int]], *, now: datetime, limits: Limits = USUAL_LIMITS
) -> list[Finding]:
    """What stands out within `WINDOW` before `now`.

    :param entries: of the window at least; older ones are not looked at
    :param minutes: signatures of each minute of the time `USUAL` before now that had any, by its beginning
    """
    recent = [one for one in entries if now - WINDOW <= one.at <= now]
    return [
        *_restarts(recent),
        *_missing(recent),
        *_withdrawals(recent),
        *_refusals(recent, limits),
        *_unopened(recent, limits),
        *_busy(minutes, now, limits),
    ]


def _restarts(recent: list[Fact]) -> list[Finding]:
    found = [one for one in recent if one.kind == "start" and not one.first]
    return [_finding("signer_restarted", found, {"times": len(found)})] if found else []


def _missing(recent: list[Fact]) -> list[Finding]:
    """What the signer itself says it could not record."""
    found = [one for one in recent if one.kind in ("unrecorded", "dropped")]
    counted: Counter[str] = Counter()
    for one in found:
        counted.update({name: int(count) for name, count in one.facts.items()})
    return [_finding("signer_entries_missing", found, dict(counted))] if found else []


def _withdrawals(recent: list[Fact]) -> list[Finding]:
    found = [one for one in recent if one.kind == "refused" and moves_money(str(one.facts.get("request", "")))]
    requests = sorted({str(one.facts["request"]) for one in found})[:10]
    count = sum(int(one.facts.get("count", 1)) for one in found)
    return [_finding("withdrawal_asked", found, {"count": count, "requests": requests})] if found else []


def _refusals(recent: list[Fact], limits: Limits) -> list[Finding]:
    counted: Counter[str] = Counter()
    newest: dict[str, Fact] = {}
    for one in recent:
        for code, count in _codes(one).items():
            counted[code] += count
            newest[code] = max(one, newest.get(code, one), key=lambda fact: fact.at)
    return [
        _finding(f"refusals.{code}"[:64], [newest[code]], {"count": count})
        for code, count in sorted(counted.items())
        if count > limits.refusals
    ]


def _codes(one: Fact) -> Mapping[str, int]:
    if one.kind == "refused":
        return {str(one.facts["code"]): int(one.facts["count"])}
    found = one.facts.get({"signed": "refused", "unopened": "codes"}.get(one.kind, ""), {})
    return found if isinstance(found, Mapping) else {}


def _unopened(recent: list[Fact], limits: Limits) -> list[Finding]:
    found = [one for one in recent if one.kind == "unopened"]
    tenants = {tenant for one in found for tenant in one.facts["tenants"]}
    if len(tenants) < limits.tenants:
        return []
    return [_finding("envelopes_refused", found, {"tenants": len(tenants)})]


def _busy(minutes: Sequence[tuple[datetime, int]], now: datetime, limits: Limits) -> list[Finding]:
    edge = now - WINDOW - timedelta(minutes=1)
    before = [count for minute, count in minutes if now - USUAL <= minute < edge]
    usual = max(int(median(before)) if before else 0, limits.quiet)
    high = [(minute, count) for minute, count in minutes if edge <= minute <= now and count > limits.times * usual]
    if not high:
        return []
    return [Finding("signatures_high", high[-1][0], {"signed": max(count for _, count in high), "usual": usual})]


def _finding(kind: str, found: list[Fact], facts: dict[str, Any]) -> Finding:
    return Finding(kind, max(one.at for one in found), facts)
