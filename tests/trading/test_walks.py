"""The walk over a pool's followers: wherever it begins, whoever leaves meanwhile, everybody comes once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from trading.conductor import draws
from trading.conductor.draws import Walk
from trading.domain import draw


class Table:
    """The subscriptions of a pool, as `pools.followers` reads them."""

    def __init__(self, ids: set[int]) -> None:
        self.ids = ids

    def chunk(self, _: object, *, after: int, until: int, limit: int, **where: object) -> list[tuple[int]]:
        return [(one,) for one in sorted(self.ids) if after < one <= until][:limit]

    def chunk_around(
        self, _: object, *, after: int, until: int, limit: int, below: int, more: int, **where: object
    ) -> list[tuple[int]]:
        high = self.chunk(_, after=after, until=until, limit=limit)
        return sorted(high + self.chunk(_, after=0, until=below - 1, limit=more))[:limit]


@settings(max_examples=300, deadline=None, database=None)
@given(
    ids=st.sets(st.integers(1, 200), min_size=1, max_size=40), lot=st.integers(0, 2**256),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)), leaving=st.lists(st.integers(0, 60), max_size=4),
)  # fmt: skip
def test_whoever_stays_is_walked_once_in_the_drawn_order(ids, lot, sizes, leaving):
    table, listed = Table(set(ids)), sorted(ids)
    start = lot % len(listed)
    walk = Walk(1, b"s" * 32, len(listed), start, listed[start], listed[-1], 0, False, 0)
    given, draws.followers = draws.followers, table
    seen: list[int] = []
    ended, left = False, set()
    try:
        while not ended:
            limit = walk.limit(first=sizes[0], chunk=sizes[1])
            rows = walk.load(None, schema="s", pool_id=None, limit=limit)
            assert rows == sorted(rows) and len(rows) <= limit
            served = [row[0] for row in walk.in_order(rows, first=sizes[0], chunk=sizes[1])]
            first, last = walk.span(rows) if rows else (1, 0)
            for one in served:
                assert first <= one <= last if first <= last else one >= first or one <= last
            seen += served
            cursor, wrapped, ended = walk.after(rows, limit=limit)
            walk = walk._replace(cursor=cursor, wrapped=wrapped, walked=walk.walked + len(rows))
            table.ids.add(300 + len(seen))  # who joins later is no follower of this signal
            if leaving and (gone := leaving.pop()) < len(listed) and listed[gone] not in seen:
                table.ids.discard(listed[gone])
                left.add(listed[gone])
    finally:
        draws.followers = given

    assert len(seen) == len(set(seen))
    assert set(seen) == ids - left
    if not left:
        place = {one: at for at, one in enumerate(seen, 1)}
        wanted = listed[start:] + listed[:start]
        for walked, size in draw.chunks(len(listed), first=sizes[0], chunk=sizes[1]):
            part = wanted[walked : walked + size]
            order = draw.order(seed=b"s" * 32, walked=walked, count=size)
            assert [place[part[at]] for at in order] == list(range(walked + 1, walked + size + 1))
