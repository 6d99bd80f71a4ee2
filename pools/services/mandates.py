"""Mandates of subscriptions: sealed with the terms, carried by workers, told to the signer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from citadel import services as citadel
from obscura.core import clock
from obscura.core.nudge.send import nudge
from pools.domain import style as styles
from pools.domain.mandates import bounds
from pools.domain.style import PLAIN, Advanced, NotAStyle
from pools.domain.terms import FixedAmount
from pools.models import Pool, Subscription

Status = Subscription.Status


def seal_terms(row: Subscription, *, pool: Pool | None = None) -> None:
    """Seal what the vault may sign for a row that is there, under the next number, and have the signer told.

    :raises citadel.services.MandateKeyMissing: this process may not agree terms
    """
    _seal(row, pool or row.pool)
    row.save(update_fields=["mandate", "mandate_number"])
    nudge("pools.tell_mandate", subscription_id=row.pk)


def seal_closed(row: Subscription) -> None:
    """Seal that nothing may be opened for it any more, where this process can.

    Where it cannot, the mandate stays as it was; the planner opens nothing for a row that is closing or has ended.
    """
    if citadel.can_seal_mandates():
        seal_terms(row)


def mandates_of(account_ids: Iterable[UUID]) -> Mapping[UUID, list[bytes]]:
    """What the signer has to be given with these accounts: the mandates of everything that trades on them."""
    found: dict[UUID, list[bytes]] = {}
    rows = Subscription.objects.filter(account__in=list(account_ids), mandate__isnull=False)
    for account_id, sealed in rows.exclude(status=Status.ENDED).values_list("account_id", "mandate"):
        found.setdefault(account_id, []).append(bytes(sealed or b""))
    return found


def tell_mandate(*, subscription_id: int) -> None:
    """Tell the signer what may be signed for a subscription now.

    :raises citadel.client.SignerUnavailable: it does not answer
    """
    sealed = Subscription.objects.filter(pk=subscription_id).values_list("mandate", flat=True).first()
    if sealed is not None:
        citadel.tell_mandates([bytes(sealed)])


def seal_missing() -> int:
    """Seal the terms of subscriptions that have no mandate yet, in the present tenant. How many there were.

    :raises citadel.services.MandateKeyMissing: this process may not agree terms
    """
    rows = Subscription.objects.filter(mandate__isnull=True).exclude(status=Status.ENDED)
    count = 0
    for row in rows.select_related("pool", "account").iterator():
        _seal(row, row.pool)
        # Whoever changes terms at this moment seals them itself: theirs stays.
        count += Subscription.objects.filter(pk=row.pk, mandate__isnull=True).update(
            mandate=row.mandate, mandate_number=row.mandate_number
        )
    return count


def sealed_in_bulk(rows: Iterable[Subscription], *, pool: Pool) -> None:
    """Seal rows of one pool that were just made, without saving them: for whoever writes many at once."""
    for row in rows:
        _seal(row, pool)


def _seal(row: Subscription, pool: Pool) -> None:
    terms = FixedAmount(row.total_investment, row.max_loss, row.profit_target, row.daily_loss_limit)
    found = bounds(terms, _style(row), pool_leverage=pool.leverage, pool_slippage_bps=pool.max_slippage_bps)
    # The time, so that a database that was restored from a backup goes on above what the signer remembers.
    row.mandate_number = max(row.mandate_number + 1, clock.millis(clock.now()))
    row.mandate = citadel.seal_mandate(
        subscription=row.pk,
        number=row.mandate_number,
        account_id=row.account_id,
        exchange=row.account.exchange,
        environment=row.account.environment,
        opens=row.status in (Status.ACTIVE, Status.PAUSED),
        **found._asdict(),
    )


def _style(row: Subscription) -> Advanced:
    try:
        return styles.load(row.settings)
    except NotAStyle:
        return PLAIN
