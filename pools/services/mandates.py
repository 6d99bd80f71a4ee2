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
from pools.models import Mandate, Pool, Subscription

Status = Subscription.Status
BATCH = 500


def seal_terms(row: Subscription) -> None:
    """Seal what the vault may sign for a row that is there, under the next number, and have the signer told.

    :raises citadel.services.MandateKeyMissing: this process may not agree terms
    """
    before = Mandate.objects.filter(subscription=row).values_list("number", flat=True).first() or 0
    made = _sealed(row, row.pool, above=before)
    Mandate.objects.update_or_create(subscription=row, defaults={"number": made.number, "sealed": made.sealed})
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
    rows = Mandate.objects.filter(subscription__account__in=list(account_ids))
    living = rows.exclude(subscription__status=Status.ENDED)
    for account_id, sealed in living.values_list("subscription__account_id", "sealed"):
        found.setdefault(account_id, []).append(bytes(sealed))
    return found


def tell_mandate(*, subscription_id: int) -> None:
    """Tell the signer what may be signed for a subscription now.

    :raises citadel.client.SignerUnavailable: it does not answer
    """
    sealed = Mandate.objects.filter(pk=subscription_id).values_list("sealed", flat=True).first()
    if sealed is not None:
        citadel.tell_mandates([bytes(sealed)])


def seal_missing() -> int:
    """Seal the terms of subscriptions that have no mandate yet, in the present tenant. How many there were.

    :raises citadel.services.MandateKeyMissing: this process may not agree terms
    """
    rows = Subscription.objects.filter(mandate__isnull=True).exclude(status=Status.ENDED)
    made = [_sealed(row, row.pool) for row in rows.select_related("pool", "account").iterator(BATCH)]
    # Whoever changes terms at this moment seals them himself: his stays.
    Mandate.objects.bulk_create(made, batch_size=BATCH, ignore_conflicts=True)
    return len(made)


def seal_in_bulk(rows: Iterable[Subscription], *, pool: Pool) -> None:
    """Seal rows of one pool that were just made, for whoever makes many at once."""
    Mandate.objects.bulk_create([_sealed(row, pool) for row in rows], batch_size=BATCH)


def _sealed(row: Subscription, pool: Pool, *, above: int = 0) -> Mandate:
    terms = FixedAmount(row.total_investment, row.max_loss, row.profit_target, row.daily_loss_limit)
    found = bounds(terms, _style(row), pool_leverage=pool.leverage, pool_slippage_bps=pool.max_slippage_bps)
    # The time, so that a database that was restored from a backup goes on above what the signer remembers.
    number = max(above + 1, clock.millis(clock.now()))
    sealed = citadel.seal_mandate(
        subscription=row.pk,
        number=number,
        account_id=row.account_id,
        exchange=row.account.exchange,
        environment=row.account.environment,
        opens=row.status in (Status.ACTIVE, Status.PAUSED),
        **found._asdict(),
    )
    return Mandate(subscription=row, number=number, sealed=sealed)


def _style(row: Subscription) -> Advanced:
    try:
        return styles.load(row.settings)
    except NotAStyle:
        return PLAIN
