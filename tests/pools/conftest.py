"""A pool that Ada leads, and accounts that are active without a vault having been asked."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest

from citadel.models import ExchangeAccount
from obscura.core import clock
from pools import services as pools

ACTOR = "test"
TERMS = pools.FixedAmount(Decimal(1000), Decimal(200), Decimal(300), Decimal(50))


@pytest.fixture
def account_of() -> Callable[..., UUID]:
    """``account_of(ben)``: the id of a new active paper account of Ben's in the present tenant."""

    def make(user: object, *, environment: str = "paper", status: str = "active", exchange: str = "binance") -> UUID:
        return ExchangeAccount.objects.create(
            owner=user,
            exchange=exchange,
            environment=environment,
            label=f"{exchange} {ExchangeAccount.objects.count() + 1}",
            status=status,
            created_at=clock.now(),
        ).pk

    return make


@pytest.fixture
def pool_of(account_of: Callable[..., UUID]) -> Callable[..., pools.PoolRef]:
    """``pool_of(ada)``: an active pool with one trader, who trades on a new account of Ada's."""

    def make(lead: object, *, kind: str = "partner", environment: str = "paper", **terms: object) -> pools.PoolRef:
        account = account_of(lead, environment=environment)
        trader = pools.create_trader(name="Ada", account_id=account, user_id=lead.pk, actor=ACTOR)
        made = pools.create_pool(kind=kind, name="Kestrel", traders=[(trader.id, Decimal(1))], actor=ACTOR, **terms)
        return pools.activate_pool(pool_id=made.id, actor=ACTOR)

    return make
