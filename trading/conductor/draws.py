"""The draws of a pool's signals in the hot path: which seed, where the walk begins, and the commitment behind it.

Seeds follow from a key of the installation and are kept in this process's memory; the tables have the anchors, and a
seed once its signal is planned.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

from pools import followers
from trading.domain import draw
from trading.execution import db
from trading.execution.store import SignalRow

_INSERT = """insert into {s}.trading_drawchain (pool_id, number, revision, anchor, published_at)
 values (%s, %s, %s, %s, clock_timestamp()) on conflict do nothing"""
_FIND = "select id, anchor, revision from {s}.trading_drawchain where pool_id = %s and number = %s order by revision"


class Walk(NamedTuple):
    """How far the followers of a signal are walked, and which come next.

    :param chain: the commitment its seed belongs to
    :param followers: how many there were when it was drawn; `start` is the number of the first, by subscription
    :param first: the subscription it begins with; `last`: the highest there was
    """

    chain: int
    seed: bytes
    followers: int
    start: int
    first: int
    last: int
    walked: int
    wrapped: bool
    cursor: int

    def limit(self, *, first: int, chunk: int) -> int:
        """How many followers to plan at once: a chunk of the draw, with what is left behind it where that is little."""
        size, rest = draw.limit(self.walked, first=first, chunk=chunk), self.followers - self.walked
        return rest if self.walked >= first and size < rest <= size + chunk // 2 else size

    def load(self, cursor: Any, *, schema: str, pool_id: UUID, limit: int) -> list[tuple[Any, ...]]:
        """The next `limit` followers, locked, in the order of their ids (`followers.chunk`)."""
        where: dict[str, Any] = {"schema": schema, "pool_id": pool_id}
        if self.wrapped:
            return followers.chunk(cursor, **where, after=self.cursor, until=self.first - 1, limit=limit)
        after, left = self.cursor or self.first - 1, self.followers - self.start - self.walked
        if self.start == 0 or left >= limit:
            return followers.chunk(cursor, **where, after=after, until=self.last, limit=limit)
        return followers.chunk_around(
            cursor, **where, after=after, until=self.last, limit=limit, below=self.first, more=limit - max(left, 0)
        )

    def in_order(self, rows: list[tuple[Any, ...]], *, first: int, chunk: int) -> list[tuple[Any, ...]]:
        """The followers that were loaded in the order in which they are served: drawn within each chunk of the draw."""
        walked = rows
        if rows and rows[0][0] < self.first <= rows[-1][0]:
            walked = sorted(rows, key=lambda row: (row[0] < self.first, row[0]))
        served: list[tuple[Any, ...]] = []
        while len(served) < len(walked):
            before = self.walked + len(served)
            part = walked[len(served) :][: draw.limit(before, first=first, chunk=chunk)]
            served += [part[at] for at in draw.order(seed=self.seed, walked=before, count=len(part))]
        return served

    def span(self, rows: list[tuple[Any, ...]]) -> tuple[int, int]:
        """From which subscription to which the chunk goes; the first is above the last where it goes around the end."""
        low = [row[0] for row in rows if row[0] < self.first]
        high = rows[len(low) :]
        return (high or rows)[0][0], low[-1] if low else rows[-1][0]

    def after(self, rows: list[tuple[Any, ...]], *, limit: int) -> tuple[int, bool, bool]:
        """Behind a chunk: the cursor, whether the walk goes on from the lowest id, and whether it has ended.

        Followers may end their subscriptions between the draw and their chunk, so a chunk may be short; nobody joins.
        """
        walked, short = self.walked + len(rows), len(rows) < limit
        cursor = self.span(rows)[1] if rows else self.cursor
        if walked >= self.followers or (short and (self.wrapped or self.start == 0)):
            return cursor, self.wrapped, True
        if self.wrapped or (rows and rows[0][0] < self.first):
            return cursor, True, False
        at_the_end = short or walked == self.followers - self.start
        return (0, True, False) if at_the_end else (cursor, False, False)


def walk(cursor: Any, *, schema: str, signal: SignalRow) -> Walk:
    """The walk of a signal where it stands; drawn now if it has not begun."""
    pool_id = UUID(str(signal.pool_id))
    known = seed(schema=schema, pool_id=pool_id, seq=signal.seq)
    if signal.only_for is not None:  # what is for one follower alone needs no draw
        return Walk(0, known, 1, 0, signal.only_for, signal.only_for, signal.walked, False, signal.cursor)
    if signal.walk_last is not None:
        return Walk(
            signal.draw_chain or 0, known, signal.draw_followers, signal.draw_start, signal.walk_first,
            signal.walk_last, signal.walked, signal.wrapped, signal.cursor,
        )  # fmt: skip
    number = draw.link(signal.seq).number
    committed = _published.get((schema, pool_id, number)) or publish(
        cursor, schema=schema, pool_id=pool_id, number=number
    )
    found = followers.drawn(cursor, schema=schema, pool_id=pool_id, lot=draw.lot(seed=known, signal=signal.id))
    return Walk(committed, known, *found, walked=0, wrapped=False, cursor=0)


def publish(cursor: Any, *, schema: str, pool_id: UUID, number: int) -> int:
    """Commit to a chain and to the one behind it, where that was not done. Returns the commitment's id.

    A commitment that this installation's key does not fulfil (the key was changed) is not taken back but followed by
    a revision, for everybody to see.
    """
    _publish(cursor, schema, pool_id, number + 1)
    return _publish(cursor, schema, pool_id, number)


def _publish(cursor: Any, schema: str, pool_id: UUID, number: int) -> int:
    anchor = _chain(_key(), schema, pool_id, number)[: draw.SEED]
    while True:
        rows = cursor.execute(db.sql(_FIND, schema), [pool_id, number]).fetchall()
        for found, published, _ in rows:
            if bytes(published) == anchor:
                return int(found)
        cursor.execute(db.sql(_INSERT, schema), [pool_id, number, len(rows), anchor])


def committed(*, schema: str, signal: SignalRow, chain: int) -> None:
    """Remember, after the commit, that the chain of this signal is published."""
    if not chain:
        return
    if len(_published) > MOST_KEPT:
        _published.clear()
    _published[schema, UUID(str(signal.pool_id)), draw.link(signal.seq).number] = chain


MOST_KEPT = 4096
_published: dict[tuple[str, UUID, int], int] = {}


def seed(*, schema: str, pool_id: UUID, seq: int) -> bytes:
    """The seed of a pool's signal. Nobody is told it before the signal is planned."""
    number, nth = draw.link(seq)
    return _chain(_key(), schema, pool_id, number)[draw.SEED * nth : draw.SEED * (nth + 1)]


def _key() -> bytes:
    return _key_of(settings.SECRET_KEY)


@lru_cache(maxsize=4)
def _key_of(secret: str) -> bytes:
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"obscura-draws").digest()


@lru_cache(maxsize=256)
def _chain(key: bytes, schema: str, pool_id: UUID, number: int) -> bytes:
    # 33 KB and half a millisecond, once for 1,024 signals of a pool in each process.
    return draw.chain(key=key, schema=schema, pool=str(pool_id), number=number)
