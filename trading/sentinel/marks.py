"""Up to where each lead account's trades are known, symbol by symbol: where a backfill begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from django.db.models import BigIntegerField, Min
from django.db.models.functions import Cast

from trading.models import AccountPosition, LeadFill, LeadPosition, Watermark
from trading.sentinel import ingest
from trading.sentinel.ingest import EVERYTHING
from trading.sentinel.seen import SeenFill

OVERLAP = timedelta(minutes=1)
"""How far a backfill looks back behind its mark: a venue's history may lag behind its stream."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where to begin in one symbol.

    :param from_id: the first trade id to ask for, or None where no trade is known
    :param since: the moment to ask from, where no trade is known
    """

    symbol: str
    from_id: int | None
    since: datetime


def begin(*, account_id: UUID, market: str, now: datetime) -> datetime:
    """Since when the account is watched in this market: now, if it was not watched before."""
    Watermark.objects.bulk_create(
        [Watermark(account_id=account_id, market=market, symbol=EVERYTHING, at=now)], ignore_conflicts=True
    )
    return Watermark.objects.get(account_id=account_id, market=market, symbol=EVERYTHING).at


def in_play(
    *,
    account_id: UUID,
    market: str,
    trader_id: UUID,
    more: Iterable[str] = (),
    known_until: datetime | None = None,
) -> list[Mark]:
    """The symbols to ask for: those seen before, those in which trader or account hold something, and `more`.

    :param known_until: a moment up to which every trade of the account is known, in whatever symbol
    """
    rows = {row.symbol: row for row in Watermark.objects.filter(account_id=account_id, market=market)}
    watched_since = rows.pop(EVERYTHING).at
    held = LeadPosition.objects.filter(trader_id=trader_id, market=market, test=False).exclude(qty=Decimal(0))
    positions = AccountPosition.objects.filter(account_id=account_id, market=market).exclude(qty=Decimal(0))
    since = max(watched_since, known_until - OVERLAP) if known_until else watched_since
    symbols = {
        *rows,
        *held.values_list("symbol", flat=True),
        *positions.values_list("symbol", flat=True),
        *more,
    }
    found = []
    for symbol in sorted(symbols):
        row = rows.get(symbol)
        if row is None or not row.trade_id:
            found.append(Mark(symbol, None, since if row is None else row.at))
        else:
            found.append(Mark(symbol, _first_id(row), row.at))
    return found


def _first_id(row: Watermark) -> int:
    known = (
        LeadFill.objects.filter(
            account_id=row.account_id, market=row.market, symbol=row.symbol, at__gte=row.at - OVERLAP
        )
        .annotate(number=Cast("trade_id", BigIntegerField()))
        .aggregate(first=Min("number"))["first"]
    )
    return min(known or row.trade_id, row.trade_id)


def advance(
    *,
    account_id: UUID,
    market: str,
    symbol: str,
    fills: list[SeenFill],
    exchange: str,
    environment: str,
    promised: int | None = None,
) -> ingest.Ingested:
    """Take in what a backfill that came to its end has found, and move the symbol's mark to the newest of it."""
    if not fills:
        return ingest.Ingested(promise=promised)
    newest = max(fills, key=lambda fill: int(fill.trade_id))
    with transaction.atomic():
        found = ingest.ingest(
            account_id=account_id, fills=fills, exchange=exchange, environment=environment, promised=promised
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into trading_watermark (account_id, market, symbol, trade_id, at) values (%s, %s, %s, %s, %s)"
                " on conflict (account_id, market, symbol) do update set at = greatest(trading_watermark.at,"
                " excluded.at), trade_id = greatest(trading_watermark.trade_id, excluded.trade_id)",
                [account_id, market, symbol, int(newest.trade_id), newest.at],
            )
    return found
