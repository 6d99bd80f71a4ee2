"""Lead traders, and which of their accounts are to be watched."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from citadel import services as citadel
from citadel.types import AccountRef
from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, Invalid, NotFound
from pools.locks import hold
from pools.models import Pool, PoolTrader, Subscription, Trader
from pools.types import Lead, TraderRef, WatchedLead

MARKETS = {"binance": ("spot", "usdm")}
"""Markets that are watched at each exchange a lead may trade at."""

# `heard` in SQL: this is asked for every trade of a lead, and building the query took longer than its answer.
_LEADS = """select place.pool_id, place.trader_id, place.weight
 from pools_trader trader join pools_pooltrader place on place.trader_id = trader.id
 join pools_pool pool on pool.id = place.pool_id
 where trader.account_id = %s and not pool.remote and (pool.status = 'active'
  or pool.status in ('paused', 'closed') and (pool.kind = 'curated' or exists (select from pools_subscription one
   where one.pool_id = pool.id and one.status <> 'ended')))
 order by place.pool_id"""

MOST_USD = Decimal(10) ** 12


class TraderInvalid(Invalid):
    """The trader is not described well."""

    code = "trader_invalid"


class AccountTaken(Conflict):
    """This account cannot lead."""

    code = "account_taken"
    remedy = "Lead with an account that leads nobody yet and follows no pool."


def create_trader(
    *,
    name: str,
    actor: str,
    account_id: UUID | None = None,
    reference_capital_usd: Decimal | None = None,
    user_id: UUID | None = None,
) -> TraderRef:
    """Make a lead trader: of an exchange account that is watched, or one that trades by signals alone.

    :param reference_capital_usd: what a trader without an account trades with; required there, and above 0
    :param user_id: the person behind it; with it, the account has to be that person's
    :raises TraderInvalid: `details` names the field
    :raises NotFound: no such account or user
    :raises AccountTaken: the account leads already, or follows a pool
    """
    _check(name, account_id, reference_capital_usd)
    if user_id is not None and not get_user_model().objects.filter(pk=user_id).exists():
        raise NotFound("There is no such user.", code="user_unknown")
    try:
        with transaction.atomic():
            account = _account(account_id, user_id) if account_id is not None else None
            trader = Trader.objects.create(
                name=name.strip(),
                user_id=user_id or (account.owner_id if account else None),
                account_id=account_id,
                reference_capital_usd=reference_capital_usd,
                created_at=clock.now(),
            )
            audit.record("pools.trader.created", actor=actor, subject=f"trader:{trader.pk}")
    except IntegrityError as error:
        if "account_id" in str(error):
            raise AccountTaken("This account leads already.") from None
        raise
    return _ref(trader)


def traders_of(*, user_id: UUID | None = None) -> list[TraderRef]:
    """All traders of the tenant, or those of one user, oldest first."""
    rows = Trader.objects.filter(user_id=user_id) if user_id is not None else Trader.objects.all()
    return [_ref(trader) for trader in rows.order_by("pk")]


def leads_of(account_id: UUID) -> list[Lead]:
    """The places of a lead account in the pools whose followers have to hear of its trades.

    Those are the active pools, and with them every pool that has followers and is paused or closed: nothing is
    opened there any more, but what was opened must be closed with the lead.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LEADS, [account_id])
        return [Lead(*row) for row in cursor.fetchall()]


def watched_accounts() -> list[WatchedLead]:
    """Every active account whose trades somebody has to hear of; see `leads_of`."""
    places = PoolTrader.objects.filter(heard(), trader=OuterRef("pk"))
    traders = Trader.objects.filter(Exists(places), account__status="active")
    return [
        WatchedLead(
            account_id=trader.account.pk,
            exchange=trader.account.exchange,
            environment=trader.account.environment,
            trader_id=trader.pk,
            markets=MARKETS[trader.account.exchange],
        )
        for trader in traders.select_related("account").order_by("pk")
        if trader.account is not None and trader.account.exchange in MARKETS
    ]


def leads(account_id: UUID) -> bool:
    """Whether a trader trades on this account."""
    return Trader.objects.filter(account=account_id).exists()


def heard() -> Q:
    """The places whose followers have to hear of their lead's trades; see `leads_of`."""
    followed: QuerySet[Subscription] = Subscription.objects.filter(pool=OuterRef("pool_id")).exclude(
        status=Subscription.Status.ENDED
    )
    stopped = Q(pool__status__in=[Pool.Status.PAUSED, Pool.Status.CLOSED])
    # A curated pool may have followers at other tenants, where this schema does not see them.
    needed = Q(pool__kind=Pool.Kind.CURATED) | Q(Exists(followed))
    return Q(pool__remote=False) & (Q(pool__status=Pool.Status.ACTIVE) | (stopped & needed))


def _check(name: str, account_id: UUID | None, capital: Decimal | None) -> None:
    if not 0 < len(name.strip()) <= 80 or not name.isprintable():
        raise TraderInvalid(details={"fields": {"name": "A name has 1 to 80 printable characters."}})
    if capital is not None and not (capital.is_finite() and 0 < capital <= MOST_USD):
        words = "The reference capital is above 0 and at most 1,000,000,000,000 dollars."
        raise TraderInvalid(details={"fields": {"reference_capital_usd": words}})
    if account_id is None and capital is None:
        words = "A trader without an account needs the capital its signals are measured by."
        raise TraderInvalid(details={"fields": {"reference_capital_usd": words}})


def _account(account_id: UUID, user_id: UUID | None) -> AccountRef:
    account = citadel.account(account_id=account_id, user_id=user_id)
    if account.status == "revoked":
        raise NotFound("There is no such exchange account.", code="account_unknown")
    hold(f"account:{account_id}")
    # A lead that also follows could hear its own copies as trades, and so on without end.
    if Subscription.objects.filter(account=account_id).exclude(status=Subscription.Status.ENDED).exists():
        raise AccountTaken("This account follows a pool.")
    return account


def _ref(trader: Trader) -> TraderRef:
    return TraderRef(trader.pk, trader.name, trader.user_id, trader.account_id, trader.reference_capital_usd)
