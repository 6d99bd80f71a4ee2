"""The provider's own key goes from one generation to the next, and the old one is destroyed with all it can open.

A backup of the database holds tenants' keys as they were wrapped when it was made. What is erased here is unreadable
there once the generation that wrapped it is gone. So a turn makes a generation when one is due, moves every key that is
still here to it, and destroys the one before when half the horizon has passed since. Every step may be repeated, and
whoever dies is continued; destruction comes when nothing here is left to lose by it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from citadel.client import Generations, SignerClient, SignerRefused
from citadel.keyring import WAITS, tenant_id
from citadel.models import KeyVersion
from citadel.trail.alerts import raise_alert
from citadel.trail.generations import horizon, remember, watch
from citadel.vaults.provider import WrapUnknown, generation_of
from obscura.core import clock, log
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict
from tenants import scope

_logger = log.get("citadel")


class HorizonsDiffer(Conflict):
    """The signer keeps generations for longer than this process believes."""

    code = "horizons_differ"
    remedy = "Give the signer and the workers the same OBSCURA_KEYS_HORIZON_DAYS, and see that their clocks agree."


class Turned(NamedTuple):
    """What a turn did, and what is left to do.

    :param active: the generation in use
    :param made: whether it is of this turn
    :param moved: tenants' keys that were wrapped anew
    :param stuck: (schema, version) of keys under an older generation that do not open; nothing is destroyed meanwhile
    :param destroyed: the generations that are gone since
    :param owed: the nodes that still hold a share of what was destroyed
    """

    active: int
    made: bool
    moved: int
    stuck: list[tuple[str, int]]
    destroyed: list[int]
    owed: list[int]


class _Moved(NamedTuple):
    """:param oldest: the lowest generation that a key was found under; None: all were under the active one"""

    count: int
    oldest: int | None
    stuck: list[tuple[str, int]]


def turn(*, at_once: bool = False) -> Turned:
    """Do what is due. Two at once do no harm.

    :param at_once: make a generation even if none is due
    :raises citadel.client.SignerUnavailable, citadel.client.SignerRefused: the vault or its provider cannot now; what
        was done stays done, and the next turn goes on
    :raises HorizonsDiffer, citadel.trail.generations.HorizonUnknown: it is not configured as it should be
    """
    signer = SignerClient(run_dir=settings.RUN_DIR, timeout=10.0)
    try:
        return _turned(signer, at_once=at_once)
    finally:
        signer.close()
        watch()  # also of a turn that cannot do what it should


def _turned(signer: SignerClient, *, at_once: bool) -> Turned:
    before, now = signer.generations(), clock.now()
    found, late = before, None
    if at_once or horizon().due(made=_moment(before.made[before.active]), now=now):
        try:
            found = signer.rotate_generation(after=before.active)
        except SignerRefused as refusal:
            late = refusal  # with a node away none is made; what is ripe is destroyed all the same
    remember(found)
    moved = _move_all(signer, found.active)
    after = _destroyed(signer, found, below=_ripe(before, now), moved=moved)
    turned = Turned(
        active=found.active,
        made=found.active != before.active,
        moved=moved.count,
        stuck=moved.stuck,
        destroyed=[number for number in found.made if number not in after.made],
        owed=sorted(set(after.owed)),
    )
    with scope.entered(scope.PUBLIC):
        _tell(turned, after, now)
    if late is not None:
        raise late
    return turned


def _destroyed(signer: SignerClient, found: Generations, *, below: int | None, moved: _Moved) -> Generations:
    """Destroy what is ripe and of no use to anybody, and have nodes asked again for what they owe; what is left."""
    # A key that was moved just now may go back under the old generation, should the database lose its last second.
    if below is None or moved.stuck or (moved.oldest is not None and moved.oldest < below):
        if not found.owed:
            return found
        below = min(found.made)
    try:
        after = signer.destroy_generations(below=below)
    except SignerRefused as refusal:
        if refusal.code == "generation_young":
            raise HorizonsDiffer from None
        if refusal.code != "generation_unknown":
            raise
        after = signer.generations()  # another turn has destroyed more by now
    remember(after)
    return after


def _move_all(signer: SignerClient, active: int) -> _Moved:
    """Wrap every key that is kept anew, of every tenant and in every state: what is left behind would be lost."""
    moved, stuck, oldest = 0, [], active
    for tenant in scope.each(reason="keys under an older generation", suspended=True):
        for row in KeyVersion.objects.exclude(wrapped="").order_by("version"):
            under = _generation(row.wrapped)
            if under >= active:
                continue
            try:
                wrapped = signer.move_key((tenant_id(), row.version, row.wrapped))
            except SignerRefused as refusal:
                if refusal.code in WAITS:
                    raise
                # A version that is given up was to be erased as it is, and another turn may have moved it by now.
                still = KeyVersion.objects.filter(pk=row.pk, wrapped=row.wrapped).exists()
                if still and refusal.code != "key_version_retired":
                    stuck.append((tenant.schema_name, row.version))
                continue
            oldest = min(oldest, under)
            # Durable: what is destroyed next must not depend on a transaction that may yet be rolled back. And only
            # where it still is what was read: a key that was given up or shredded meanwhile stays erased.
            with transaction.atomic(durable=True):
                moved += KeyVersion.objects.filter(pk=row.pk, wrapped=row.wrapped).update(wrapped=wrapped)
    return _Moved(moved, oldest if oldest < active else None, stuck)


def _generation(wrapped: str) -> int:
    try:
        return generation_of(wrapped)
    except WrapUnknown:
        return 0


def _ripe(known: Generations, now: datetime) -> int | None:
    """The generation below which all may be destroyed: it was there for long enough. None: none was."""
    later, half = sorted(known.made)[1:], horizon()
    ripe = [one for one in later if known.made[one] and half.ripe(left=_moment(known.made[one]), now=now)]
    return max(ripe, default=None)


def _tell(turned: Turned, found: Generations, now: datetime) -> None:
    if turned.moved or turned.made or turned.destroyed:
        _logger.info("citadel.generations", active=turned.active, moved=turned.moved, destroyed=turned.destroyed)
        audit.record(
            "citadel.generation.turned",
            actor="system",
            subject=f"generation:{found.kept} {turned.active}",
            moved=turned.moved,
            destroyed=turned.destroyed,
        )
    if turned.stuck:
        raise_alert("generation_stuck", at=now, keys=[f"{schema} v{version}" for schema, version in turned.stuck])


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
