"""What lead accounts hold on USD-M: what they held when the watch began, and since then what every fill added."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from obscura.core import clock
from trading.domain.intents import BEFORE, BUY, USDM, ZERO, Intent, dated, intents
from trading.models import AccountPosition, LeadFill

EVERYTHING = ""
"""The symbol of the row that says that the book was begun, and up to when its positions were counted."""

_READ = """select symbol, side, qty, counted_until, opened_at from trading_accountposition
 where account_id = %s and market = 'usdm' and symbol = any(%s)"""

_WRITE = """insert into trading_accountposition (account_id, market, symbol, side, qty, counted_until, opened_at)
 values (%s, 'usdm', %s, %s, %s, %s, %s) on conflict (account_id, market, symbol, side)
 do update set qty = excluded.qty, opened_at = excluded.opened_at"""

Place = tuple[str, str]
"""Symbol and side: BOTH, or LONG and SHORT in hedge mode."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Positions as the venue told them at one moment.

    :param asked: the venue's time just before; what it had done by then is in what it told
    :param positions: quantity (signed) and the venue's time of the last change, of what is held or was changed since
    """

    asked: datetime
    positions: dict[Place, tuple[Decimal, datetime]]

    def counted_until(self, place: Place) -> datetime:
        """Up to when fills are in it. The venue counts a trade at the time that the trade itself bears, so a position
        that has not changed since `asked` has everything up to then in it, and another all up to its last change."""
        changed = self.positions.get(place, (ZERO, self.asked))[1]
        return max(self.asked, changed)


async def look(exchange: Any) -> Seen:
    """Ask the venue what the account holds on USD-M.

    The second version of the call is asked, because it also names what is flat: a position that was closed while the
    question was on its way is told with the time of its close.

    :raises ccxt.BaseError: the venue did not answer; nothing is known then
    """
    asked = clock.from_millis(int((await exchange.fapipublic_get_time())["serverTime"]))
    rows = await exchange.fapiprivatev2_get_positionrisk()
    found = {
        (row["symbol"], row["positionSide"]): (
            Decimal(row["positionAmt"]),
            clock.from_millis(int(row.get("updateTime") or 0)),
        )
        for row in rows
    }
    return Seen(asked, {place: one for place, one in found.items() if one[0] or one[1] > asked})


def known(account_id: UUID) -> bool:
    """Whether the book of the account was begun."""
    return AccountPosition.objects.filter(account_id=account_id, market=USDM, symbol=EVERYTHING).exists()


def begin(*, account_id: UUID, seen: Seen) -> bool:
    """Begin the account's book with what the venue told, once. Returns whether this call did.

    A position in the book is always what the consumed fills and the time before them add up to; a fill that waits is
    added when its signals are written. The venue's figure has every fill in it up to the position's `counted_until`,
    and none after. So what waits and is in it is taken off, to be added in its turn: the lead held it before that
    trade. What was consumed already and is not in it, is added. A fill of before that comes to us only later is taken
    off when it comes (`Book.heard`).
    """
    with transaction.atomic():
        lock(account_id)
        if known(account_id):
            return False
        amounts = {place: qty for place, (qty, _) in seen.positions.items()}
        fills = LeadFill.objects.filter(account_id=account_id, market=USDM)
        for row in fills.filter(Q(external_id=None) | Q(at__gt=seen.asked)):
            counted, waits = row.at <= seen.counted_until(_place(row)), row.external_id is None
            if counted == waits:
                amounts[_place(row)] = amounts.get(_place(row), ZERO) + (-_signed(row) if waits else _signed(row))
        rows = [(*place, qty, seen.counted_until(place)) for place, qty in amounts.items()]
        AccountPosition.objects.bulk_create(
            AccountPosition(
                account_id=account_id,
                market=USDM,
                symbol=symbol,
                side=side,
                qty=qty,
                counted_until=until,
                opened_at=BEFORE if qty else None,
            )
            for symbol, side, qty, until in [(EVERYTHING, "", ZERO, seen.asked), *rows]
        )
    return True


class Book:
    """The positions of some symbols, for one transaction that holds the account's lock."""

    def __init__(self, account_id: UUID, symbols: Iterable[str]) -> None:
        self.account_id = account_id
        with connection.cursor() as cursor:
            cursor.execute(_READ, [account_id, [EVERYTHING, *symbols]])
            self._rows: dict[Place, tuple[Decimal, datetime | None, datetime | None]] = {
                (symbol, side): (qty, until, opened_at) for symbol, side, qty, until, opened_at in cursor.fetchall()
            }
        self.begun: datetime | None = self._rows.pop((EVERYTHING, ""), (ZERO, None, None))[1]
        self._moved: set[Place] = set()

    def heard(self, row: LeadFill) -> None:
        """A fill has come that is new to us. If the book was begun with it, it is taken off until its turn."""
        qty, until, opened_at = self._position(_place(row))
        if until is not None and row.at <= until:
            held = qty - _signed(row)
            # What is there without it was there before it, and nobody saw it begin.
            self._set(_place(row), held, (opened_at or BEFORE) if held else None)

    def meaning(self, row: LeadFill, qty: Decimal) -> tuple[Intent, ...]:
        """What a trade of `qty`, like that of `row`, means; the position moves with it."""
        held, _, opened_at = self._position(_place(row))
        steps = intents(
            position=held,
            side=row.side,
            qty=qty,
            market=row.market,
            position_side=row.position_side,
        )
        steps, opened_at = dated(steps, opened_at=opened_at, at=row.at)
        self._set(_place(row), steps[-1].position_after, opened_at)
        return tuple(steps)

    def write(self) -> None:
        """Write what has moved."""
        with connection.cursor() as cursor:
            for place in sorted(self._moved):
                cursor.execute(_WRITE, [self.account_id, *place, *self._rows[place]])

    def _position(self, place: Place) -> tuple[Decimal, datetime | None, datetime | None]:
        return self._rows.get(place, (ZERO, self.begun, None))

    def _set(self, place: Place, qty: Decimal, opened_at: datetime | None) -> None:
        self._rows[place] = (qty, self._position(place)[1], opened_at)
        self._moved.add(place)


def lock(account_id: UUID) -> None:
    """Until the transaction ends, nobody else takes fills of this account in or moves its positions."""
    digest = hashlib.blake2b(account_id.bytes, digest_size=8, person=b"obscura-ingest").digest()
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [int.from_bytes(digest, "big", signed=True)])


def _place(row: LeadFill) -> Place:
    return (row.symbol, row.position_side)


def _signed(row: LeadFill) -> Decimal:
    qty: Decimal = row.qty
    return qty if row.side == BUY else -qty
