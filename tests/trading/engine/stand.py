"""What an engine test says: followers with budgets, signals of a lead, and what the venue and the tables then show."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.db import connection

from citadel import services as citadel
from citadel.models import Credential, ExchangeAccount
from citadel.questions import EgressClient
from citadel.sealing import seal
from obscura.core import clock, redis_clients
from pools.models import Mandate, Pool, Subscription, Trader
from tenants.models import Tenant
from tests.citadel.support import GIVE_UP_S, PRICES_FROM, Vault
from tests.contracts.support import Key, Venue
from tests.support.people import Cast
from trading.conductor.plan import plan
from trading.domain.intents import Intent
from trading.domain.market import Bracket
from trading.domain.setup import ISOLATED
from trading.execution.accounts import known
from trading.market import cache
from trading.models import Denial, Fill, Holding, Order, Signal
from trading.signals.record import Source, record

RULES = {
    "spot": {"tick": "0.01", "step": "0.00001", "min_qty": "0.00001", "min_notional": "5"},
    "usdm": {"tick": "0.10", "step": "0.001", "min_qty": "0.001", "min_notional": "100"},
}


BRACKETS = (Bracket(125, Decimal(50_000)), Bracket(20, Decimal(1_000_000)), Bracket(1, Decimal(100_000_000)))


class Stand:
    """One pool, its lead, its followers, a venue."""

    def __init__(self, *, venue: Venue, vault: Vault) -> None:
        self.venue, self.vault = venue, vault
        self.signer = vault.client()
        self.tenant = Tenant.objects.get(schema_name="t_alpha")
        connection.set_tenant(self.tenant)
        self.people = Cast()
        now = clock.now()
        self.pool = Pool.objects.create(kind="partner", name="Northern Momentum", status="active", created_at=now)
        self.trader = Trader.objects.create(name="Ada", created_at=now)
        self.keys: dict[int, Key] = {}
        for market in ("spot", "usdm"):
            for symbol, price in (("BTCUSDT", "60000"), ("ETHUSDT", "3000")):
                self.price(symbol, price, market=market)
                rules = RULES[market] | {
                    "max_qty": "9000",
                    "market_max_qty": "120",
                    "base": symbol[:3],
                    "quote": "USDT",
                }
                redis_clients.sync().hset(cache.rules_key("paper", "binance", market), symbol, orjson.dumps(rules))
                where = {"environment": "paper", "exchange": "binance", "market": "usdm", "symbol": symbol}
                cache.put_brackets(**where, rows=BRACKETS)

    def price(self, symbol: str, price: str, *, market: str = "spot", age_s: float = 0) -> None:
        """What our market cache knows; the venue's own price is set with `venue.price`."""
        body = {"bid": price, "ask": price, "at": clock.now().timestamp() - age_s}
        redis_clients.sync().hset(cache.price_key("paper", "binance", market), symbol, orjson.dumps(body))

    def prices_told(self) -> None:
        """Wait until the vault has prices that were asked for after now. It asks once a second."""
        egress = EgressClient(run_dir=self.vault.directory)
        route, end = f"binance:spot:paper:{PRICES_FROM}", time.monotonic() + GIVE_UP_S

        def answered() -> int:
            return int(egress.stats()["pools"].get(route, {}).get("answered", 0))

        enough = answered() + 2  # one may be on its way already
        while answered() < enough:
            assert time.monotonic() < end, "the egress asks for no prices"
            time.sleep(0.02)
        egress.close()

    def follower(self, name: str = "ben", *, invest: str = "1000", lose: str = "200", **terms: Any) -> Subscription:
        """A follower whose paper account is sealed in the vault."""
        user = self.people.person(name)
        now = clock.now()
        key = self.venue.account(f"{name}-{uuid4().hex[:6]}")
        account = ExchangeAccount.objects.create(
            owner=user, label=f"Paper {uuid4().hex[:4]}", environment="paper", status="active", created_at=now
        )
        place = {"tenant": self.tenant.pk, "account": account.id.bytes}
        fields = {"apiKey": key.api_key, "secret": key.secret}
        sealed = seal(intake=self.signer.intake_key()[0], fields=fields, **place)
        envelopes, _ = self.signer.enrol(sealed=sealed, **place)
        Credential.objects.create(account=account, envelopes=envelopes, key_version=1, created_at=now)
        subscription = Subscription.objects.create(
            pool=self.pool, user=user, account=account, total_investment=Decimal(invest), max_loss=Decimal(lose),
            created_at=now, **terms,
        )  # fmt: skip
        self.keys[subscription.pk] = key
        self.agree(subscription)
        return subscription

    def agree(self, subscription: Subscription, **narrower: Any) -> None:
        """Seal terms with the vault: far wider than the planner's, so that its own rules are what a test sees."""
        # The vault outlives a test, and remembers the numbers of subscriptions whose ids come again.
        number = time.time_ns() // 1_000_000
        wide = {
            "opens": True, "order_usd": Decimal(10**6), "minute_usd": Decimal(10**7), "day_usd": Decimal(10**8),
            "leverage": 125, "band_bps": 10_000, "max_loss_usd": Decimal(10**6), "allow": frozenset(),
            "deny": frozenset(),
        }  # fmt: skip
        sealed = citadel.seal_mandate(
            subscription=subscription.pk, number=number, account_id=subscription.account_id,
            exchange="binance", environment="paper", **wide | narrower,
        )  # fmt: skip
        Mandate.objects.update_or_create(subscription=subscription, defaults={"number": number, "sealed": sealed})

    def set_up(self, subscription: Subscription, *, symbol: str = "BTCUSDT", leverage: int = 1) -> None:
        """The account is set up on futures, at the venue and in what is known of it, as after an earlier copy."""
        key, account = self.keys[subscription.pk], str(subscription.account_id)
        schema = self.tenant.schema_name
        self.venue.call("POST", "/fapi/v1/marginType", key, symbol=symbol, marginType="ISOLATED")
        self.venue.call("POST", "/fapi/v1/leverage", key, symbol=symbol, leverage=leverage)
        known.learn_modes(schema=schema, modes={account: False})
        known.learn_settings(schema=schema, symbol=symbol, margin=ISOLATED, leverages={account: leverage})

    def signal(
        self,
        side: str = "buy",
        *,
        effect: str = "open",
        symbol: str = "BTCUSDT",
        market: str = "spot",
        price: str | None = "60000",
        fraction: str = "1",
        age_s: float = 0,
        external_id: str | None = None,
        priority: int = 10,
        **fields: Any,
    ) -> Signal:
        """A signal of Ada's, recorded as the sentinel would record it."""
        at = clock.now() - timedelta(seconds=age_s)
        qty = Decimal("0.5")
        intent = Intent(
            leg=0, effect=effect, side=side, qty=qty, fraction=Decimal(fraction), position_after=Decimal(0)
        )  # fmt: skip
        source = Source(
            external_id=external_id or uuid4().hex, source="lead", trader_id=self.trader.id, market=market,
            symbol=symbol, side=side, qty=qty, price=None if price is None else Decimal(price), lead_at=at,
            received_at=at, priority=priority, known=(intent,), **fields,
        )  # fmt: skip
        return record(pool_id=self.pool.id, sources=[source])[0].signals[0]

    def trade(
        self,
        side: str,
        qty: str,
        *,
        symbol: str = "BTCUSDT",
        market: str = "usdm",
        price: str = "60000",
        position_side: str = "BOTH",
    ) -> list[Signal]:
        """A trade of Ada's: what it means follows from what she holds. Planned at once; returns its signals."""
        at = clock.now()
        source = Source(
            external_id=uuid4().hex, source="lead", trader_id=self.trader.id, market=market, symbol=symbol, side=side,
            qty=Decimal(qty), price=Decimal(price), lead_at=at, received_at=at, priority=10,
            position_side=position_side,
        )  # fmt: skip
        [recorded] = record(pool_id=self.pool.id, sources=[source])
        self.plan()
        return list(recorded.signals)

    def plan(self) -> int:
        """Plan what waits and wait for the results of what was placed at once."""
        return plan(tenant=self.tenant, pool_id=self.pool.id)

    def order(self, subscription: Subscription, signal: Signal) -> Order:
        return Order.objects.get(subscription_id=subscription.pk, signal_id=signal.pk)

    def denial(self, subscription: Subscription, signal: Signal) -> Denial:
        return Denial.objects.get(subscription_id=subscription.pk, signal_id=signal.pk)

    def holding(self, subscription: Subscription, symbol: str = "BTCUSDT") -> Holding:
        return Holding.objects.get(subscription_id=subscription.pk, symbol=symbol)

    def fills(self, order: Order) -> list[Fill]:
        return list(Fill.objects.filter(order_id=order.pk).order_by("id"))

    def executed(self, subscription: Subscription) -> dict[str, int]:
        """By client order id, how often the venue executed it: the witness's own count."""
        answer = self.venue.executions(self.keys[subscription.pk].label)
        return {client_id: int(row["count"]) for client_id, row in answer.items()}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


NOBODY = UUID(int=0)
