"""What stops copying at once: limits that are reached, and the kill switches of a pool and of a follower."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.events import announce
from pools.events import PoolChanged, PoolHalted, UserHalted
from pools.models import Pool, Subscription, Trader
from pools.services.pools import PoolUnknown
from pools.services.subscriptions import paper_alone
from pools.services.traders import MARKETS
from pools.types import WatchedLead

Status = Subscription.Status

HALT_OPENS, HALT_CLOSE = "halt", "halt_close"
HALTS = frozenset({HALT_OPENS, HALT_CLOSE})
"""What a subscription is stopped by when its owner stopped everything."""
DAILY_LOSS = "daily_loss"
STOPPED = "You stopped everything."


def stop_subscription_by_limit(*, subscription_id: int, limit: str, reason: str, now: datetime) -> bool:
    """Pause a subscription that copies, because a limit is reached. Returns whether it was this call that did.

    :param limit: the limit's code, kept as `stopped_by`
    :param reason: the same in words, for its owner
    """
    return _stop(Subscription.objects.filter(pk=subscription_id), limit, reason, now, actor="guard") == 1


def resume_subscription_by_limit(*, subscription_id: int, limit: str) -> bool:
    """Let a subscription copy again that this limit had paused. Returns whether it was this call that did."""
    rows = Subscription.objects.filter(pk=subscription_id, stopped_by=limit)
    return _release(rows, actor="guard") == 1


def halt_user(*, user_id: UUID, actor: str, close: bool = True, paper_only: bool = False) -> int:
    """Stop everything of a follower: nothing of theirs is opened from now on, until `release_user`.

    May be repeated. Returns how many subscriptions were stopped.

    :param close: close everything they hold as well
    :param paper_only: refuse a follower who has real money in it (a test key asks)
    :raises AccountUnfit: code ``test_key_paper_only``
    """
    if paper_only:
        _all_on_paper(user_id)
    stopped_by = HALT_CLOSE if close else HALT_OPENS
    with transaction.atomic():
        mine = Subscription.objects.filter(user_id=user_id)
        # One that would go on by itself tomorrow is stopped as well.
        waiting = mine.filter(status=Status.PAUSED, stopped_by__in=[DAILY_LOSS, HALT_OPENS, HALT_CLOSE])
        now = clock.now()
        waiting.exclude(stopped_by=stopped_by).update(stopped_by=stopped_by, stopped_at=now, reason=STOPPED)
        stopped = _stop(mine, stopped_by, STOPPED, now, actor=actor)
        audit.record("pools.user.halted", actor=actor, subject=f"user:{user_id}", close=close)
        if close:
            announce(UserHalted(user_id=user_id))
    return stopped


def release_user(*, user_id: UUID, actor: str, paper_only: bool = False) -> int:
    """Let what `halt_user` had stopped copy again. May be repeated. Returns how many subscriptions that were.

    :raises AccountUnfit: see `halt_user`
    """
    if paper_only:
        _all_on_paper(user_id)
    with transaction.atomic():
        rows = Subscription.objects.filter(user_id=user_id, stopped_by__in=[HALT_OPENS, HALT_CLOSE])
        released = _release(rows, actor=actor)
        audit.record("pools.user.released", actor=actor, subject=f"user:{user_id}")
    return released


def _all_on_paper(user_id: UUID) -> None:
    live = Subscription.objects.filter(user_id=user_id).exclude(status=Status.ENDED)
    if live.exclude(account__environment="paper").exists():
        raise paper_alone()


def halt_pool(*, pool_id: UUID, actor: str, close: bool = False, user_id: UUID | None = None) -> None:
    """Open nothing in a pool from this moment on, until `release_pool`. May be repeated.

    A curated pool that is led elsewhere is halted in the present tenant alone; halted where it is led, it is so
    everywhere.

    :param close: close everything that is open in it as well
    :param user_id: whose pool it has to be; None for the tenant's own staff
    :raises PoolUnknown: there is none, or it is another user's
    """
    _halt(pool_id, Pool.Halt.CLOSE if close else Pool.Halt.OPENS, actor, user_id)


def release_pool(*, pool_id: UUID, actor: str, user_id: UUID | None = None) -> None:
    """Let a pool that was halted open again. May be repeated.

    :raises PoolUnknown: see `halt_pool`
    """
    _halt(pool_id, "", actor, user_id)


def _halt(pool_id: UUID, halt: str, actor: str, user_id: UUID | None) -> None:
    with transaction.atomic():
        rows = Pool.objects.filter(pk=pool_id)
        if user_id is not None:
            rows = rows.filter(kind=Pool.Kind.CUSTOM, owner_id=user_id)
        pool = rows.select_for_update(no_key=True).first()
        if pool is None:
            raise PoolUnknown
        if pool.halt == halt:
            return
        pool.halt = halt
        pool.save(update_fields=["halt"])
        audit.record(
            f"pools.pool.{'halted' if halt else 'released'}", actor=actor, subject=f"pool:{pool_id}", halt=halt
        )
        if halt == Pool.Halt.CLOSE:
            announce(PoolHalted(pool_id=pool_id))
        announce(PoolChanged(pool_id=pool_id, status=pool.status))


def _stop(rows: object, stopped_by: str, reason: str, now: datetime, *, actor: str) -> int:
    with transaction.atomic(savepoint=False):
        found = list(rows.filter(status=Status.ACTIVE).order_by("pk").select_for_update(no_key=True))  # type: ignore[attr-defined]
        for row in found:
            row.status, row.reason, row.stopped_by, row.stopped_at = Status.PAUSED, reason[:200], stopped_by, now
            row.save(update_fields=["status", "reason", "stopped_by", "stopped_at"])
            audit.record(
                "pools.subscription.stopped",
                actor=actor,
                subject=f"subscription:{row.pk}",
                stopped_by=stopped_by,
                reason=reason,
            )
    return len(found)


def _release(rows: object, *, actor: str) -> int:
    with transaction.atomic(savepoint=False):
        fit = rows.filter(status=Status.PAUSED, account__status="active")  # type: ignore[attr-defined]
        found = list(fit.order_by("pk").select_for_update(no_key=True, of=("self",)))
        for row in found:
            row.status, row.reason, row.stopped_by, row.stopped_at = Status.ACTIVE, "", "", None
            row.save(update_fields=["status", "reason", "stopped_by", "stopped_at"])
            audit.record("pools.subscription.active", actor=actor, subject=f"subscription:{row.pk}")
    return len(found)


def lead_accounts() -> list[WatchedLead]:
    """Every account that a trader leads with, whether it can be heard now or not."""
    rows = Trader.objects.exclude(account=None).select_related("account").order_by("pk")
    return [
        WatchedLead(
            account_id=row.account.pk,
            exchange=row.account.exchange,
            environment=row.account.environment,
            trader_id=row.pk,
            markets=MARKETS[row.account.exchange],
        )
        for row in rows
        if row.account is not None and row.account.exchange in MARKETS
    ]
