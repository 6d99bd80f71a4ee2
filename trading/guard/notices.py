"""Notices: what the guard tells a follower, on the feed and on the page of what he copies, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

import tenants.feed
from tenants.scope import current
from trading import copies
from trading.execution import db
from trading.guard import store
from trading.models import Notice

Key = tuple[int, str, str]
"""Subscription, code and place: of these one notice stands at a time."""


class News(NamedTuple):
    """A notice to be written. One that does not stand is over as it is told."""

    subscription: int
    user: str
    pool: UUID
    code: str
    words: str
    place: str = ""
    market: str = ""
    symbol: str = ""
    stands: bool = False

    @property
    def key(self) -> Key:
        """What tells a standing one from others."""
        return self.subscription, self.code, self.place


def tell(news: Sequence[News], *, now: datetime) -> int:
    """Write notices in the present tenant and transaction, and tell them to listeners after the commit.

    One that stands already is not told again. Returns how many were new.
    """
    if not news:
        return 0
    schema = current()
    rows = [
        (one.subscription, one.user, one.pool, one.code, one.place, one.market, one.symbol, one.words[:200], now,
         None if one.stands else now)
        for one in news
    ]  # fmt: skip
    with connection.cursor() as cursor:
        columns = [list(column) for column in zip(*rows, strict=True)]
        made = cursor.cursor.execute(db.sql(store.TELL, schema), columns).fetchall()
    by_key = {one.key: one for one in news}
    told = [_row(number, by_key[tuple(key)], now) for number, *key in made]
    transaction.on_commit(lambda: tenants.feed.publish(schema=schema, rows=told))
    return len(made)


def standing() -> dict[Key, int]:
    """The notices of the present tenant that stand, and their ids."""
    found = db.session().execute(db.sql(store.STANDING, current())).fetchall()
    return {(subscription, code, place): number for number, subscription, code, place in found}


def over(ids: Iterable[int], *, now: datetime) -> None:
    """What was told is so no longer."""
    with connection.cursor() as cursor:
        cursor.cursor.execute(db.sql(store.OVER, current()), [now, list(ids)])


def standing_words(subscription_ids: Iterable[int]) -> dict[int, list[str]]:
    """By subscription, what stands, in words, the oldest first."""
    found: dict[int, list[str]] = {}
    rows = Notice.objects.filter(subscription_id__in=list(subscription_ids), over_at=None).order_by("at", "id")
    for row in rows:
        found.setdefault(row.subscription_id, []).append(f"{row.symbol}: {row.words}" if row.symbol else row.words)
    return found


def _row(number: int, one: News, now: datetime) -> dict[str, object]:
    return copies.notice_row(
        id=number,
        user=one.user,
        pool=str(one.pool),
        symbol=one.symbol,
        market=one.market,
        at=now,
        words=one.words[:200],
    )
