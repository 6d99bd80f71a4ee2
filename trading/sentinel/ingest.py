"""Lead fills come in here: written once, grouped by the lead's order, made into signals in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import redis
from django.conf import settings
from django.db import connection, transaction

from obscura.core import clock
from obscura.core.nudge.send import done, write
from pools import services as pools
from proofs.domain.receipts import leaf
from tenants.scope import current
from trading.domain import priorities
from trading.domain.intents import ONE, SELL, SPOT, USDM, ZERO, Delta, Intent, Piece, Wait, delta
from trading.market import cache
from trading.models import LeadFill, Signal
from trading.sentinel import worth
from trading.sentinel.book import Book, lock
from trading.sentinel.seen import SeenFill
from trading.signals import relay
from trading.signals.record import LEAD, Source, record
from trading.signals.rows import insert_new

_WAITING = """select f.*, coalesce((select sum(c.qty) from trading_leadfill c where c.account_id = f.account_id
   and c.market = f.market and c.symbol = f.symbol and c.order_id = f.order_id
   and c.external_id is not null), 0) as consumed
 from trading_leadfill f where f.account_id = %s and f.external_id is null order by f.at, f.id"""

LEAF_FIELDS = (
    "account_id",
    "market",
    "symbol",
    "trade_id",
    "order_id",
    "side",
    "position_side",
    "qty",
    "price",
    "fee",
    "fee_asset",
    "at",
)
"""What the leaf of a lead fill is made of, in this order: what the venue said, not how we came to hear it."""

_noticed: set[tuple[UUID, str, str]] = set()
"""Symbols this process has seen committed as in play: they never leave play."""

POSITIONS_PATIENCE = timedelta(seconds=10)
"""How long futures fills of an account wait to hear what it held before them."""

EVERYTHING = ""
"""The symbol of the watermark that says since when an account is watched at all."""

_NOTICE = """insert into trading_watermark (account_id, market, symbol, trade_id, at)
 select %s, %s, %s, 0, coalesce((select at from trading_watermark
   where account_id = %s and market = %s and symbol = %s), %s)
 on conflict do nothing"""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of some fills.

    :param new: how many nobody had seen before
    :param signals: how many signals were made of what was waiting
    :param until: when the earliest part-filled order must be looked at again, or None
    :param promise: the nudge that will do that if this process dies
    :param relays: what is to be relayed to other tenants, now that it is committed
    """

    new: int = 0
    signals: int = 0
    until: datetime | None = None
    promise: int | None = None
    relays: tuple[relay.Relay, ...] = ()


def window() -> timedelta:
    """How long the fills of a part-filled order are gathered."""
    return timedelta(milliseconds=settings.COPY_PARTIAL_WINDOW_MS)


def ingest(
    *,
    account_id: UUID,
    fills: Sequence[SeenFill],
    exchange: str = "binance",
    environment: str = "live",
    promised: int | None = None,
) -> Ingested:
    """Write the fills of a lead's account that are new, and the signals of every order that is ripe.

    May be repeated with the same fills in any order, and at the same time by others: each fill is written once, and
    is consumed by one signal in each pool that the account leads. Runs in the tenant of the context.

    :param promised: the nudge that is open for this account already; it is deleted when nothing waits any more
    """
    with transaction.atomic():
        # Fills of one account are taken in one at a time: two that saw each half of an order would both sell it whole.
        lock(account_id)
        new = insert_new([_row(account_id, fill) for fill in _distinct(fills)])
        if new:
            _notice(account_id, new)
        elif fills and promised is None:
            return Ingested()
        return _group(account_id, exchange, environment, promised, new)


def group(
    *, account_id: UUID, exchange: str = "binance", environment: str = "live", promised: int | None = None
) -> Ingested:
    """Look again at the orders of an account that were part-filled. As `ingest` without fills."""
    return ingest(account_id=account_id, fills=(), exchange=exchange, environment=environment, promised=promised)


def sweep(*, limit: int = 100) -> int:
    """Group what is overdue in the present tenant: whoever should have done it is gone. Returns how many accounts."""
    overdue = clock.now() - window() - timedelta(seconds=1)
    found = set(
        LeadFill.objects.filter(external_id=None, received_at__lt=overdue).values_list("account_id", flat=True)[:limit]
    )
    if not found:
        return 0
    watched = {one.account_id: one for one in pools.watched_accounts()}
    for account_id in found:
        known = watched.get(account_id)
        if known is None:
            after = group(account_id=account_id)
        else:
            after = group(account_id=account_id, exchange=known.exchange, environment=known.environment)
        relay.send(after.relays)
    return len(found)


def _group(
    account_id: UUID, exchange: str, environment: str, promised: int | None, new: Sequence[LeadFill]
) -> Ingested:
    now, until, made = clock.now(), None, 0
    relays: list[relay.Relay] = []
    leads = None
    waiting = _waiting(account_id)
    book = _book(account_id, waiting, new)
    for (market, symbol, order_id), rows in waiting.items():
        found = _decide(market, symbol, order_id, rows, now)
        known: tuple[Intent, ...] | None = None
        if isinstance(found, Delta) and book is not None and market == USDM:
            known = _meaning(book, rows, found.qty, now)
            if known is None:
                found = Wait(rows[0].received_at + POSITIONS_PATIENCE)
        if isinstance(found, Wait):
            until = min(until or found.until, found.until)
        elif found is not None:
            leads = leads if leads is not None else sorted(pools.leads_of(account_id), key=lambda one: one.pool_id)
            means = _means(account_id, market, symbol) if leads else worth.UNKNOWN
            for lead in leads:
                source = _source(lead, exchange, environment, rows[0], found, known, means)
                targets = relay.targets_of(lead.pool_id)
                recorded = record(pool_id=lead.pool_id, sources=[source], held=bool(targets))[0]
                if recorded.made:
                    made += len(recorded.signals)
                    if targets:
                        relays.append(_promised(lead.pool_id, found.external_id, recorded.signals, targets))
            _consume(rows, found.external_id)
    if book is not None:
        book.write()
    if until is None:
        done(promised)
        promised = None
    elif promised is None:
        promised = _promise(account_id)
    return Ingested(len(new), made, until, promised, tuple(relays))


def _promised(pool_id: UUID, external_id: str, signals: Sequence[Signal], targets: Sequence[str]) -> relay.Relay:
    urgent = min(one.priority for one in signals)
    return relay.promise(pool_id=pool_id, external_id=external_id, priority=urgent, signals=signals, targets=targets)


def _book(
    account_id: UUID, waiting: Mapping[tuple[str, str, str], list[LeadFill]], new: Sequence[LeadFill]
) -> Book | None:
    symbols = {symbol for market, symbol, _ in waiting if market == USDM}
    if not symbols:
        return None
    book = Book(account_id, symbols)
    if book.begun is not None:
        for row in new:
            if row.market == USDM:
                book.heard(row)
    return book


def _meaning(book: Book, rows: Sequence[LeadFill], qty: Decimal, now: datetime) -> tuple[Intent, ...] | None:
    """What a futures trade means by what the account held before it; None while that may still become known.

    Where it does not become known in time, the trade opens nothing: it could be the end of a position that nobody saw.
    It is written as a close of the whole, of which followers have nothing, since nothing was copied before it.
    """
    if book.begun is not None:
        return book.meaning(rows[0], qty)
    if now < rows[0].received_at + POSITIONS_PATIENCE:
        return None
    return (Intent(0, "close", rows[0].side, qty, ONE, ZERO),)


def _consume(rows: Sequence[LeadFill], external_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "update trading_leadfill set external_id = %s where id = any(%s)", [external_id, [row.pk for row in rows]]
        )


def _waiting(account_id: UUID) -> dict[tuple[str, str, str], list[LeadFill]]:
    """Fills no signal has consumed, by order, orders and fills in the order in which they happened; each with the
    quantity of its order that was consumed before."""
    found: dict[tuple[str, str, str], list[LeadFill]] = {}
    for row in LeadFill.objects.raw(_WAITING, [account_id]):
        found.setdefault((row.market, row.symbol, row.order_id), []).append(row)
    return found


def _decide(market: str, symbol: str, order_id: str, rows: Sequence[LeadFill], now: datetime) -> Delta | Wait | None:
    pieces = [
        Piece(row.trade_id, row.qty, row.price, _fee_in_base(row), row.order_done, row.at, row.received_at)
        for row in rows
    ]
    consumed: Decimal = rows[0].consumed  # type: ignore[attr-defined]
    return delta(
        market=market,
        symbol=symbol,
        order_id=order_id,
        consumed=consumed,
        pieces=pieces,
        now=now,
        window=window(),
    )


def _source(
    lead: pools.Lead,
    exchange: str,
    environment: str,
    row: LeadFill,
    found: Delta,
    known: tuple[Intent, ...] | None,
    means: worth.Measure,
) -> Source:
    """The signal of one order's growth. What the lead has and its leverage are those of just before or after it."""
    return Source(
        external_id=found.external_id,
        source=LEAD,
        trader_id=lead.trader_id,
        weight=lead.weight,
        exchange=exchange,
        market=row.market,
        symbol=row.symbol,
        side=row.side,
        position_side=row.position_side,
        qty=found.qty,
        price=found.price,
        fee=found.fee_in_base,
        dust=_dust(environment, exchange, row),
        lead_at=found.at,
        received_at=row.received_at,
        # What ends a risk comes before what begins one.
        close_priority=priorities.HIGH,
        known=known,
        lead_equity=means.equity,
        lead_leverage=means.leverage,
    )


def _means(account_id: UUID, market: str, symbol: str) -> worth.Measure:
    try:
        return worth.measure(schema=current(), account_id=account_id, market=market, symbol=symbol)
    except redis.RedisError:
        return worth.UNKNOWN


def _dust(environment: str, exchange: str, row: LeadFill) -> Decimal:
    """The smallest quantity the venue trades; zero where that is not known."""
    if row.side != SELL or row.market != SPOT:
        return Decimal(0)  # futures close to the last contract; only fees in kind leave rests
    try:
        known = cache.rules(environment=environment, exchange=exchange, market=row.market, symbol=row.symbol)
    except redis.RedisError:
        return Decimal(0)
    return max(known.step, known.min_qty) if known is not None else Decimal(0)


def _fee_in_base(row: LeadFill) -> Decimal:
    return SeenFill.fee_in_base.fget(row)  # type: ignore[attr-defined, no-any-return]


def _row(account_id: UUID, fill: SeenFill) -> LeadFill:
    row = LeadFill(
        account_id=account_id,
        market=fill.market,
        symbol=fill.symbol,
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        side=fill.side,
        position_side=fill.position_side,
        qty=fill.qty,
        price=fill.price,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        order_done=fill.order_done,
        at=fill.at,
        received_at=fill.received_at,
        backfilled=fill.backfilled,
    )
    row.leaf = leaf("lead_fill", (getattr(row, name) for name in LEAF_FIELDS))
    return row


def _distinct(fills: Sequence[SeenFill]) -> list[SeenFill]:
    return list({(fill.market, fill.symbol, fill.trade_id): fill for fill in fills}.values())


def _notice(account_id: UUID, rows: Sequence[LeadFill]) -> None:
    """Note the symbols as in play, so that every backfill asks for them.

    A fill that was told live never moves a watermark: what was lost before it would be taken for known. Only a
    backfill that came to its end does (`marks.advance`).
    """
    fresh = sorted({(account_id, row.market, row.symbol) for row in rows} - _noticed)
    with connection.cursor() as cursor:
        for _, market, symbol in fresh:
            cursor.execute(_NOTICE, [account_id, market, symbol, account_id, market, EVERYTHING, rows[0].at])
    if fresh:
        transaction.on_commit(lambda: _noticed.update(fresh))


def _promise(account_id: UUID) -> int:
    # Written but not sent: this process groups in time itself; the sweep sends it when this process is gone.
    with connection.cursor() as cursor:
        return write(
            cursor.cursor,
            tenant=current(),
            task="trading.group",
            queue="high",
            ids={"account_id": str(account_id)},
        ).id
