"""Key versions of the present tenant: which are held, which is active, and how envelopes get from one to the next.

A rotation makes a new version and seals under it from then on; what is sealed already is wrapped anew in the
background, batch by batch, each row only where it still is what was read. When nothing is left under the old versions
the signer is told to open them never again, and their keys are erased. Every step may be repeated, and whoever dies is
continued.
"""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from citadel.client import SignerClient, WrappedKey
from citadel.models import Credential, KeyVersion
from citadel.trail import break_glass
from citadel.trail.generations import Promise, promise
from obscura.core import clock, log
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, NotFound, Unavailable
from obscura.core.nudge.send import nudge
from tenants import services as tenants
from tenants.scope import current

State = KeyVersion.State

FIRST_OWN = 2
"""Tenants' own versions begin here (citadel.signer.tenant_keys)."""

BATCH = 250
"""Envelopes wrapped anew at a time: some five milliseconds of the signer's, in which orders wait."""

SLICE_S = 1.0
"""A worker wraps for so long at a stretch: sweeps that look after orders wait for it in the same queue."""

WAITS = frozenset(
    {"key_pending", "not_attested", "provider_unavailable", "quorum_missing", "provider_denied", "share_tampered"}
)
"""Codes of a signer whose key provider does not give a key: it says nothing about what was to be sealed or opened."""

_USED = (State.ACTIVE, State.DECRYPT_ONLY)

_SWAP = """update {s}.citadel_credential c set envelopes = v.new::jsonb, key_version = %s
 from unnest(%s::bigint[], %s::text[], %s::text[]) v(id, old, new)
 where c.id = v.id and c.envelopes = v.old::jsonb"""

_logger = log.get("citadel")


class KeysAway(Unavailable):
    """The key provider does not answer, so nothing is sealed or opened."""

    code = "keys_away"
    remedy = "Nothing is lost: it is tried again by itself. An operator looks at the key provider."


class KeyRotated(Unavailable):
    """The key version was rotated while something was sealed under it."""

    code = "key_rotated"
    remedy = "It is sealed again by itself, under the new version."


class KeyVersionState(Conflict):
    """A key version in this state cannot do that."""

    code = "key_version_state"
    remedy = "The active one can be rotated; one that only decrypts can be disabled and enabled again."


class Rewrapped(NamedTuple):
    """What a run of `rewrap` did: envelopes wrapped anew, those that do not open, and whether old versions are gone."""

    done: int
    unreadable: int
    finished: bool


class Shredded(NamedTuple):
    """What was erased: so many credentials; and until when an older backup still holds them in a form that opens."""

    credentials: int
    backups: Promise


def tenant_id() -> int:
    """The id of the tenant of the present context."""
    return int(tenants.tenant_by_schema(current()).pk)


def held() -> list[WrappedKey]:
    """The wrapped keys that the signer may be given."""
    tenant = tenant_id()
    rows = KeyVersion.objects.filter(state__in=_USED).exclude(wrapped="").order_by("-version")
    return [(tenant, version, wrapped) for version, wrapped in rows.values_list("version", "wrapped")]


def active(signer: SignerClient) -> int:
    """The version to seal under; a tenant that has none of its own gets its first.

    :raises citadel.client.SignerUnavailable, citadel.client.SignerRefused: none can be made now
    """
    version = KeyVersion.objects.filter(state=State.ACTIVE).values_list("version", flat=True).first()
    return version if version is not None else _make(signer, actor="system")


def still_active(version: int) -> None:
    """Within a transaction that writes envelopes of this version: nobody rotates until it has ended.

    :raises KeyRotated: somebody has
    """
    rows = KeyVersion.objects.select_for_update(of=("self",)).filter(version=version, state=State.ACTIVE)
    if not rows.exists():
        raise KeyRotated


def rotate(*, actor: str) -> int:
    """Make a new version, seal under it from now on, and have what is sealed already wrapped anew. Its number.

    :raises citadel.client.SignerUnavailable, citadel.client.SignerRefused: none can be made now
    """
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        return _make(signer, actor=actor)
    finally:
        signer.close()


def rewrap(*, after: int = 0) -> Rewrapped:
    """Wrap everything anew that is not under the active version, then give up the versions before it.

    For a while; what is left then is promised to whoever comes next. Safe to run twice and beside itself, and to be
    killed at any moment.

    :param after: the credentials up to this id were seen before; what of them does not open is not tried again
    :raises citadel.client.SignerUnavailable, citadel.client.SignerRefused: the signer cannot do it now
    """
    newest = KeyVersion.objects.filter(state=State.ACTIVE).values_list("version", flat=True).first()
    if newest is None:
        return Rewrapped(0, 0, finished=True)
    done = unreadable = 0
    signer, last, end = SignerClient(run_dir=settings.RUN_DIR), after, time.monotonic() + SLICE_S
    try:
        while rows := _batch(newest, last):
            last = rows[-1].pk
            swapped, refused = _swap(signer, rows, newest)
            done, unreadable = done + swapped, unreadable + refused
            if time.monotonic() > end and _batch(newest, last):
                nudge("citadel.rewrap", version=newest, after=last)
                break
        finished = not unreadable and not _batch(newest, 0) and _give_up(signer, newest)
    finally:
        signer.close()
    if unreadable:
        _logger.error("citadel.unreadable", envelopes=unreadable, version=newest)
    return Rewrapped(done, unreadable, finished)


def set_disabled(*, version: int, disabled: bool, request_id: int) -> None:
    """Open nothing under a version for now, or open it again. The active one is not disabled: rotate first.

    :param request_id: the break-glass request of two people for exactly this; it is spent
    :raises NotFound: there is no such version
    :raises KeyVersionState: it is active or destroyed
    :raises citadel.trail.break_glass.RequestUnknown, RequestState, RequestOfAnother, NotStaff: it is not good for this
    """
    was, to = (State.DECRYPT_ONLY, State.DISABLED) if disabled else (State.DISABLED, State.DECRYPT_ONLY)
    what = break_glass.What.DISABLE_KEY if disabled else break_glass.What.ENABLE_KEY
    with transaction.atomic():
        actor = break_glass.spend(request_id=request_id, what=what, tenant=current(), version=version)
        row = KeyVersion.objects.select_for_update().filter(version=version).first()
        if row is None:
            raise NotFound("There is no such key version.", code="key_version_unknown")
        if row.state == to:
            return
        if row.state != was:
            raise KeyVersionState(f"Version {version} is {row.state}.")
        KeyVersion.objects.filter(pk=row.pk).update(state=to)
        audit.record(f"citadel.key.{to}", actor=actor, subject=f"key:v{version}")


def shred(*, request_id: int) -> Shredded:
    """Erase every key of the present tenant: what is sealed under them opens never again.

    What a backup of the database holds of them opens until the provider's generation is destroyed
    (citadel.generations); the answer says when that is. For a tenant that has left: its accounts trade no more from
    here on, and the signer forgets what it holds of them.

    :param request_id: the break-glass request of two people for exactly this; it is spent
    :raises citadel.trail.break_glass.RequestUnknown, RequestState, RequestOfAnother, NotStaff: it is not good for this
    """
    with transaction.atomic():
        actor = break_glass.spend(request_id=request_id, what=break_glass.What.SHRED, tenant=current())
        lost = Credential.objects.exclude(envelopes={}).count()
        accounts = list(Credential.objects.values_list("account_id", flat=True))
        shared = Credential.objects.filter(key_version=FIRST_OWN - 1).exclude(envelopes={}).exists()
        oldest = KeyVersion.objects.order_by("created_at").values_list("created_at", flat=True).first()
        backups = promise(oldest_key=None if shared else oldest or clock.now())
        Credential.objects.update(envelopes={}, sealed=None, key_version=0)
        KeyVersion.objects.exclude(state=State.DESTROYED).update(
            state=State.DESTROYED, wrapped="", destroyed_at=clock.now()
        )
        audit.record(
            "citadel.key.shredded",
            actor=actor,
            subject=f"tenant:{current()}",
            credentials=lost,
            backups_unreadable_by=backups.by.isoformat(),
        )
        for account_id in accounts:
            nudge("citadel.forget", account_id=str(account_id))
    return Shredded(lost, backups)


def _make(signer: SignerClient, *, actor: str) -> int:
    newest = KeyVersion.objects.order_by("-version").values_list("version", flat=True).first() or FIRST_OWN - 1
    version = newest + 1
    wrapped = signer.new_key(tenant=tenant_id(), version=version)
    try:
        with transaction.atomic():
            KeyVersion.objects.filter(state=State.ACTIVE).update(state=State.DECRYPT_ONLY)
            KeyVersion.objects.create(version=version, state=State.ACTIVE, wrapped=wrapped, created_at=clock.now())
            audit.record("citadel.key.made", actor=actor, subject=f"key:v{version}")
            if _batch(version, 0):
                nudge("citadel.rewrap", version=version)
    except IntegrityError:  # somebody else made it; theirs is the one that is kept
        return int(KeyVersion.objects.get(state=State.ACTIVE).version)
    return version


def _batch(newest: int, after: int) -> list[Credential]:
    rows = Credential.objects.filter(key_version__lt=newest, pk__gt=after).exclude(envelopes={})
    return list(rows.order_by("pk")[:BATCH])


def _swap(signer: SignerClient, rows: list[Credential], newest: int) -> tuple[int, int]:
    """Wrap a batch anew. Written only where the row still is what was read: whoever connects anew meanwhile stays."""
    tenant = tenant_id()
    entries = [(tenant, row.account_id.bytes, dict(row.envelopes)) for row in rows]
    wrapped, refused = signer.rewrap(entries, version=newest, keys=held())
    found = [row for row in rows if row.account_id.bytes in wrapped]
    with connection.cursor() as cursor:
        cursor.execute(
            _SWAP.replace("{s}", f'"{connection.schema_name}"'),
            [
                newest,
                [row.pk for row in found],
                [json.dumps(row.envelopes) for row in found],
                [json.dumps(wrapped[row.account_id.bytes]) for row in found],
            ],
        )
        return cursor.rowcount, len(refused)


def _give_up(signer: SignerClient, newest: int) -> bool:
    """Nothing is left under the versions before: the signer opens them never again, then their keys are erased.

    False where somebody has rotated meanwhile: what is left is that rotation's.
    """
    old = KeyVersion.objects.filter(version__lt=newest).exclude(state=State.DESTROYED)
    if not KeyVersion.objects.filter(version=newest, state=State.ACTIVE).exists():
        return False
    signer.hold(held())  # the key that follows must be there
    signer.retire(tenant=tenant_id(), minimum=newest)
    with transaction.atomic():
        gone = list(old.values_list("version", flat=True))
        old.update(state=State.DESTROYED, wrapped="", destroyed_at=clock.now())
        for version in gone:
            audit.record("citadel.key.destroyed", actor="system", subject=f"key:v{version}")
    return True
