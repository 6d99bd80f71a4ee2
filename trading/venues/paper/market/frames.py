"""Binance's own market frames, as recorded or as received, fed into the tape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..amounts import units
from ..book import Level
from ..exchange import Key
from ..tape import Tape


def levels(rows: Sequence[Sequence[str]]) -> list[Level]:
    return [(units(row[0]), units(row[1])) for row in rows]


def take(tape: Tape, market: str, data: dict[str, Any], shift_ms: int = 0, shift_id: int = 0) -> int:
    """Feed one event; the trade id when it was a trade, else 0. Kinds that are not the market's are passed over.

    `shift_ms` and `shift_id` move a recording into the present.
    """
    kind = data.get("e")
    if kind == "trade" or kind == "aggTrade":
        if data.get("X", "MARKET") != "MARKET":  # insurance fund and liquidation prints are not the market
            return 0
        id, price, quantity = data["t" if kind == "trade" else "a"], units(data["p"]), units(data["q"])
        if price and quantity:
            tape.trade((market, data["s"]), id + shift_id, price, quantity, data["T"] + shift_ms, data["m"])
        return int(id)
    if kind == "depthUpdate":
        tape.depth((market, data["s"]), levels(data["b"]), levels(data["a"]))
    elif kind == "bookTicker" or "B" in data and "A" in data:
        bid, ask = (units(data["b"]), units(data["B"])), (units(data["a"]), units(data["A"]))
        if bid[1] and ask[1]:
            tape.top((market, data["s"]), bid, ask)
    return 0


def snapshot(tape: Tape, key: Key, data: dict[str, Any]) -> None:
    """A REST depth answer: `lastUpdateId`, `bids`, `asks`."""
    tape.snapshot(key, levels(data["bids"]), levels(data["asks"]))
