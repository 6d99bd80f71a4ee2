"""A person's own pool: whom it may copy, and how it is made. Nobody but its owner sees it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from citadel import services as citadel
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, Invalid
from pools.locks import hold
from pools.models import Pool, PoolTrader, Subscription, Trader
from pools.services import pools, traders
from pools.types import LeadChoice, LeadChoices, PoolRef

MOST_POOLS = 20
"""Own pools a person may have that are not closed: each is planned anew for every trade of its leads."""


class LeadUnfit(Invalid):
    """This lead cannot be chosen."""

    code = "lead_unfit"
    remedy = "Choose leads from those that are offered."


class PoolsFull(Conflict):
    """There are twenty pools of yours already, and more there cannot be."""

    code = "own_pools_full"
    remedy = "Close a pool you no longer copy, then make a new one."


class StillLeading(Conflict):
    """This account leads in a pool that others run."""

    code = "still_leading"
    remedy = "Ask the people who run this service to take it out."


def lead_choices(user_id: UUID) -> LeadChoices:
    """Whom this person's own pools may copy.

    A lead's trades have to be seen in this tenant, so it trades on an active account here: one of the person's own, or
    that of a trader in an active pool that everybody here may follow. Remote leads are seen at Tenant Zero alone, and
    who trades by signals sends them to his own pool alone.
    """
    own = _own(user_id)
    known = {one.key for one in own}
    offered = [one for one in _offered() if one.key not in known]
    others = Pool.objects.exclude(kind=Pool.Kind.CUSTOM).filter(status=Pool.Status.ACTIVE)
    return LeadChoices(
        leads=(*own, *offered),
        remote=others.filter(remote=True).exists(),
        by_signals=others.filter(remote=False, places__trader__account=None, places__isnull=False).exists(),
    )


def open_own_pool(
    *,
    user_id: UUID,
    name: str,
    leads: Sequence[tuple[str, Decimal]],
    actor: str,
    description: str = "",
    risk_class: str = "medium",
) -> PoolRef:
    """Make a pool of this person's own and let it be copied at once. An account that is chosen becomes a lead.

    Its share of profit is the greatest of those its leads ask for where they are offered: nobody copies a lead for
    less than in its own pool.

    :param leads: (key of a `LeadChoice`, weight), at least one, weights above 0 and at most 1
    :raises LeadUnfit: there is no lead, or one that this person may not choose
    :raises PoolsFull: there are too many
    :raises PoolInvalid: `details` names the fields
    :raises AccountTaken: an account follows a pool
    """
    if not leads:
        raise LeadUnfit("A pool needs a lead.", remedy="Choose at least one lead.")
    with transaction.atomic():
        hold(f"own:{user_id}")
        if Pool.objects.filter(owner=user_id).exclude(status=Pool.Status.CLOSED).count() >= MOST_POOLS:
            raise PoolsFull
        chosen = _chosen(user_id, leads)
        made = pools.create_pool(
            kind=Pool.Kind.CUSTOM,
            name=name,
            description=description,
            risk_class=risk_class,
            owner_id=user_id,
            traders=[(_trader(one, user_id, actor), weight) for one, weight in chosen],
            fee_percentage=max(one.fee_percentage for one, _ in chosen),
            actor=actor,
        )
        return pools.activate_pool(pool_id=made.id, user_id=user_id, actor=actor)


def release_account(*, account_id: UUID, user_id: UUID, actor: str) -> None:
    """Let an account of this person's lead no more, so that it may follow again or be removed. May be repeated.

    Its trader stays as a name in the pools that are closed; an account that leads again does so as another trader.

    :raises NotFound: this user has none of this id
    :raises StillLeading: a pool that is not closed has a place for it, or copies of it are still open
    """
    citadel.account(account_id=account_id, user_id=user_id)
    with transaction.atomic():
        hold(f"account:{account_id}")
        trader = Trader.objects.filter(account=account_id).first()
        if trader is None:
            return
        places = PoolTrader.objects.filter(trader=trader)
        _leads_nowhere(places.exclude(pool__status=Pool.Status.CLOSED), user_id)
        if places.filter(traders.heard()).exists():
            raise StillLeading("Copies of this account are still open.", remedy="Wait until they are closed.")
        trader.account = None
        trader.save(update_fields=["account"])
        audit.record("pools.trader.released", actor=actor, subject=f"trader:{trader.pk}", account=str(account_id))


def _leads_nowhere(places: QuerySet[PoolTrader], user_id: UUID) -> None:
    # Only one's own pools are named: that somebody else has a pool of his own is nobody's business.
    own = list(places.filter(pool__owner=user_id).order_by("pool__name").values_list("pool__name", flat=True))
    if own:
        raise StillLeading(f"This account leads in {', '.join(own)}.", remedy="Close what it leads first.")
    if places.exists():
        raise StillLeading


def _chosen(user_id: UUID, leads: Sequence[tuple[str, Decimal]]) -> list[tuple[LeadChoice, Decimal]]:
    """The leads that are named, kept from being released or from following until the transaction ends."""
    before = {one.key: one for one in lead_choices(user_id).leads}
    if any(key not in before for key, _ in leads):
        raise LeadUnfit
    for account_id in sorted({before[key].account_id for key, _ in leads}):
        hold(f"account:{account_id}")
    now = {one.key: one for one in lead_choices(user_id).leads}
    if any(key not in now for key, _ in leads):
        raise LeadUnfit
    return [(now[key], weight) for key, weight in leads]


def _trader(one: LeadChoice, user_id: UUID, actor: str) -> UUID:
    if one.trader_id is not None:
        return one.trader_id
    return traders.create_trader(name=one.name, account_id=one.account_id, user_id=user_id, actor=actor).id


def _own(user_id: UUID) -> list[LeadChoice]:
    """The person's own active accounts, those that lead already under the name they lead by."""
    accounts = [
        one for one in citadel.accounts_of(user_id) if one.status == "active" and one.exchange in traders.MARKETS
    ]
    ids = [one.id for one in accounts]
    leading = {trader.account_id: trader for trader in Trader.objects.filter(account__in=ids)}
    live = Subscription.objects.filter(account__in=ids).exclude(status=Subscription.Status.ENDED)
    following = set(live.values_list("account_id", flat=True))
    return [
        LeadChoice(
            key=f"trader:{leading[one.id].pk}" if one.id in leading else f"account:{one.id}",
            name=leading[one.id].name if one.id in leading else one.label,
            trader_id=leading[one.id].pk if one.id in leading else None,
            account_id=one.id,
            environment=one.environment,
            own=True,
            follows=one.id in following,
            pool_name="",
            fee_percentage=Decimal(0),
        )
        for one in accounts
    ]


def _offered() -> list[LeadChoice]:
    """Traders of the pools that everybody here may follow, each once: where it asks for the least."""
    places = (
        PoolTrader.objects.filter(
            pool__status=Pool.Status.ACTIVE,
            pool__remote=False,
            trader__account__status="active",
            trader__account__exchange__in=list(traders.MARKETS),
        )
        .exclude(pool__kind=Pool.Kind.CUSTOM)
        .select_related("pool", "trader__account")
        .order_by("pool__fee_percentage", "pool__name", "pk")
    )
    found: dict[UUID, LeadChoice] = {}
    for place in places:
        account = place.trader.account
        if account is None or place.trader_id in found:
            continue
        found[place.trader_id] = LeadChoice(
            key=f"trader:{place.trader_id}",
            name=place.trader.name,
            trader_id=place.trader_id,
            account_id=account.pk,
            environment=account.environment,
            own=False,
            follows=False,
            pool_name=place.pool.name,
            fee_percentage=place.pool.fee_percentage,
        )
    return sorted(found.values(), key=lambda one: (one.name.casefold(), one.key))
