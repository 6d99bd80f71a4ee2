"""The best prices of one market, and which of them are worth writing down again."""

from __future__ import annotations

from typing import NamedTuple

import orjson

FRESHEN_S = 0.5


class Top(NamedTuple):
    """Best bid and ask as the venue wrote them, and the epoch second up to which they are known to stand."""

    bid: str
    ask: str
    at: float


class Board:
    """Holds the tops of many symbols. A venue speaks when a top changes: while its stream lives, silence confirms."""

    def __init__(self) -> None:
        self._tops: dict[str, Top] = {}
        self._written: dict[str, Top] = {}

    def show(self, symbol: str, *, bid: str, ask: str, at: float) -> None:
        """The venue shows this top, at this moment."""
        self._tops[symbol] = Top(bid, ask, at)

    def heard(self, symbol: str, *, at: float) -> None:
        """The stream that carries this symbol was alive at this moment, so its top stood until then."""
        top = self._tops.get(symbol)
        if top is not None and at > top.at:
            self._tops[symbol] = top._replace(at=at)

    def again(self) -> None:
        """What was written is lost: all of it is due again, each top as of when it was known."""
        self._written.clear()

    def due(self) -> dict[str, bytes]:
        """What to write now, by symbol: tops that changed, and those confirmed half a second after they were written.

        Each row is ``{"bid", "ask", "at"}``, prices as text, the moment in epoch seconds.
        """
        rows = {}
        for symbol, top in self._tops.items():
            before = self._written.get(symbol)
            if before is None or before[:2] != top[:2] or top.at - before.at >= FRESHEN_S:
                self._written[symbol] = top
                rows[symbol] = orjson.dumps({"bid": top.bid, "ask": top.ask, "at": top.at})
        return rows
