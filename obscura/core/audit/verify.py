"""Is the chain of a schema what it was? Every digest is computed again from what the database says now."""

from __future__ import annotations

from typing import NamedTuple

from obscura.core.audit import chain
from obscura.core.audit.chain import GENESIS, Head, Row

PATIENCE_S = 60.0
"""An entry that has had no place for longer was kept from the sequencer."""


class Verdict(NamedTuple):
    """What was found in one schema.

    :param entries: entries whose digests were computed again
    :param head: the last of them that is in order
    :param broken: the first place where something is wrong
    :param what: ``altered``, ``missing``, ``reordered``, ``unchained``, ``rewritten``; empty: all is in order
    """

    schema: str
    entries: int
    head: Head | None
    broken: int | None = None
    what: str = ""


def verify(schema: str, *, first: int = 1) -> Verdict:
    """Walk a schema's chain from the place `first` on; what is before it is believed."""
    last = Head(first - 1, GENESIS)
    if first > 1:
        before = chain.digest_at(schema, first - 1)
        if before is None:
            return Verdict(schema, 0, None, first - 1, "missing")
        last = Head(first - 1, before)
    count = 0
    for row in chain.chained(schema, first=first):
        count += 1
        what = _wrong(row, last, schema)
        if what:
            return Verdict(schema, count, last if last.position else None, last.position + 1, what)
        last = Head(last.position + 1, str(row.digest))
    end = last if last.position else None
    if chain.unchained(schema, older_than_s=PATIENCE_S)[0]:
        return Verdict(schema, count, end, last.position + 1, "unchained")
    return Verdict(schema, count, end)


def against(schema: str, kept: Head) -> Verdict | None:
    """What is wrong where a head that was kept elsewhere is not on the chain any more; None: it is.

    A chain that was written anew from its start, or that lost its end, is in order in itself. This finds it.
    """
    now = chain.digest_at(schema, kept.position)
    if now == kept.digest:
        return None
    return Verdict(schema, 0, chain.head(schema), kept.position, "missing" if now is None else "rewritten")


def _wrong(row: Row, last: Head, schema: str) -> str:
    position = last.position + 1
    if row.position != position:
        return "missing"
    if row.digest == chain.digest(row, schema=schema, position=position, previous=last.digest):
        return "" if row.previous == last.digest else "altered"
    # Its digest fits neither here nor to what it says it follows: it was changed, or it was put here from elsewhere.
    return "altered" if row.previous == last.digest else "reordered"
