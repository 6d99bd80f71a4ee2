"""Fetch what the signer says it did, see whether it fits to what it said before, and write it down for good."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from citadel.client import SignerClient
from citadel.domain.trail import GENESIS, Told, fits
from citadel.trail.alerts import raise_alert
from citadel.trail.models import SignerEntry
from obscura.core import clock
from obscura.core.errors import Unavailable
from tenants.scope import PUBLIC, entered

PATIENCE_S = 0.5
"""It is asked again in two seconds: one that hangs must not keep the worker from all that it does besides."""

_LOCK = "select pg_try_advisory_xact_lock(hashtextextended('trail:collect', 0))"
_HEX = {size: re.compile(rf"[0-9a-f]{{{size}}}") for size in (32, 64)}
_KIND = re.compile(r"[a-z_]{1,24}")


class SignerBabbles(Unavailable):
    """What the signer tells of itself is of no form that is known."""

    code = "signer_babbles"
    remedy = "See whether signer and workers are of the same release."


def collect() -> int:
    """Write down what the signer did since. How many entries that were. May run twice, and beside itself.

    What does not fit is written down as well, and an alert is raised.

    :raises citadel.client.SignerUnavailable: the signer is away
    :raises SignerBabbles: its answer is none
    """
    done = 0
    signer = SignerClient(run_dir=settings.RUN_DIR, timeout=PATIENCE_S)
    try:
        with entered(PUBLIC):
            while count := _collect_some(signer):
                done += count
    finally:
        signer.close()
    return done


def _collect_some(signer: SignerClient) -> int:
    chain = SignerEntry.objects.order_by("-id").values_list("chain", flat=True).first() or ""
    answer = signer.audit(after=_last(chain))
    if answer.get("chain") != chain:  # another one than was heard last, or the first of all
        chain = str(answer.get("chain"))
        answer = signer.audit(after=_last(chain))
    told = _read(answer, chain)
    alerts: list[tuple[str, dict[str, Any]]] = []
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK)
            if not cursor.fetchone()[0]:
                return 0
        last = SignerEntry.objects.filter(chain=chain).order_by("-sequence").first()
        if last is None and SignerEntry.objects.exists():
            alerts.append(("signer_chain_new", {"chain": chain}))
        if last is not None and answer["last"] < last.sequence:
            alerts.append(("signer_went_back", {"chain": chain, "from": last.sequence, "to": answer["last"]}))
        new = [one for one in told if last is None or one.sequence > last.sequence]
        alerts += _misfits(new, chain, *((last.sequence, last.digest) if last else (0, GENESIS)))
        now = clock.now()
        SignerEntry.objects.bulk_create([_row(one, chain, now) for one in new])
    for kind, facts in alerts:
        raise_alert(kind, at=clock.now(), **facts)
    return len(new)


def _misfits(new: Sequence[Told], chain: str, sequence: int, previous: str) -> list[tuple[str, dict[str, Any]]]:
    """What is wrong with entries that come after this one: some are missing between, or they do not follow."""
    found: list[tuple[str, dict[str, Any]]] = []
    for one in new:
        if one.sequence != sequence + 1:
            found.append(
                ("signer_entries_lost", {"chain": chain, "after": sequence, "lost": one.sequence - sequence - 1})
            )
            previous = one.previous
        if not fits(one, chain=chain, previous=previous):
            found.append(("signer_chain_broken", {"chain": chain, "sequence": one.sequence}))
        sequence, previous = one.sequence, one.digest
    return found


def _last(chain: str) -> int:
    return SignerEntry.objects.filter(chain=chain).order_by("-sequence").values_list("sequence", flat=True).first() or 0


def _read(answer: dict[str, Any], chain: str) -> list[Told]:
    """:raises SignerBabbles: this is not what a signer says"""
    told = [Told(*one) for one in answer.get("entries", ()) if isinstance(one, list) and len(one) == len(Told._fields)]
    good = (
        answer.get("chain") == chain
        and _HEX[32].fullmatch(chain)
        and type(answer.get("last")) is int
        and len(told) == len(answer["entries"])
        and all(_sound(one) for one in told)
        and all(after.sequence > before.sequence for before, after in zip(told, told[1:], strict=False))
    )
    if not good:
        raise SignerBabbles
    return told


def _sound(one: Told) -> bool:
    return (
        type(one.sequence) is int
        and 0 < one.sequence < 1 << 62
        and type(one.at) is int
        and 0 < one.at < 1 << 45
        and isinstance(one.kind, str)
        and _KIND.fullmatch(one.kind) is not None
        and isinstance(one.facts, dict)
        and all(isinstance(text, str) and _HEX[64].fullmatch(text) for text in (one.previous, one.digest))
    )


def _row(one: Told, chain: str, now: datetime) -> SignerEntry:
    return SignerEntry(
        chain=chain,
        sequence=one.sequence,
        at=clock.from_millis(one.at),
        heard_at=now,
        kind=one.kind,
        facts=one.facts,
        previous=one.previous,
        digest=one.digest,
    )
