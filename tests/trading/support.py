"""Pools, leads and fills for stories about signals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from citadel.models import ExchangeAccount
from obscura.core import clock
from pools.models import Pool, PoolTrader, Subscription, Trader
from tenants.types import KeyHolder
from trading.sentinel import book
from trading.sentinel.seen import SeenFill

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def account(owner, label: str = "Main", environment: str = "paper") -> ExchangeAccount:
    return ExchangeAccount.objects.create(
        owner=owner, environment=environment, label=label, status="active", created_at=clock.now()
    )


def lead(owner, *, weight: str = "1", kind: str = "partner", name: str = "Tide", **fields) -> tuple[Pool, Trader]:
    """An active pool with one trader, who trades on a watched account of `owner`."""
    trader = Trader.objects.create(
        name=name, account=account(owner, label=f"Lead {name}"), created_at=clock.now(), **fields
    )
    pool = Pool.objects.create(kind=kind, name=name, status="active", created_at=clock.now())
    PoolTrader.objects.create(pool=pool, trader=trader, weight=Decimal(weight))
    return pool, trader


def flat(trader: Trader) -> None:
    """A watch has begun, and nothing was held on futures."""
    assert trader.account_id is not None
    assert book.begin(account_id=trader.account_id, seen=book.Seen(NOON - timedelta(days=1), {}))


def follow(pool: Pool, owner, *, usd: str = "1000") -> Subscription:
    return Subscription.objects.create(
        pool=pool,
        user=owner,
        account=account(owner, label=f"Follower {pool.name}"),
        total_investment=Decimal(usd),
        max_loss=Decimal(usd),
        created_at=clock.now(),
    )


def fill(
    trade: int,
    *,
    order: int = 7,
    side: str = "buy",
    qty: str = "1",
    price: str = "60000",
    market: str = "usdm",
    symbol: str = "BTCUSDT",
    done: bool = False,
    received_ms: int = 0,
    received_at: datetime | None = None,
    **fields,
) -> SeenFill:
    return SeenFill(
        **{
            "market": market,
            "symbol": symbol,
            "trade_id": str(trade),
            "order_id": str(order),
            "side": side,
            "position_side": "BOTH",
            "qty": Decimal(qty),
            "price": Decimal(price),
            "fee": Decimal(0),
            "fee_asset": "",
            "at": NOON,
            "received_at": received_at or NOON + timedelta(milliseconds=received_ms),
            "order_done": done,
        }
        | fields
    )


def holder(tenant, *, environment: str = "live", scopes: tuple[str, ...] = ("signal:write",)) -> KeyHolder:
    return KeyHolder(
        key_id=uuid4(),
        prefix=f"obsc_{environment}_x",
        tenant_id=tenant.id,
        environment=environment,
        scopes=frozenset(scopes),
    )


NOBODY = UUID(int=0)
