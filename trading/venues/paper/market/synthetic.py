"""A made-up market: a seeded walk with a made-up book, which says of itself that it is made up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from ..amounts import ONE
from ..book import Level
from ..exchange import Key
from ..reports import now_ms
from ..symbols import SPOT, USDM
from ..tape import Tape

STARTS = {"BTCUSDT": 60_000, "ETHUSDT": 3_000, "SOLUSDT": 150, "BNBUSDT": 600, "LINKUSDT": 15}
STEP_SECONDS = 0.25
DEPTH = 20
LEVEL_NOTIONAL = 50_000 * ONE  # a level holds about so much USDT; the second twice that, and so on


class Synthetic:
    """Every symbol walks a few ticks each step, unless its price was set by hand: then it stands still."""

    name = "synthetic"

    def __init__(self, tape: Tape, seed: int) -> None:
        self.tape, self.random = tape, random.Random(seed)
        self.prices: dict[Key, int] = {}
        self.pinned: set[Key] = set()
        self.trade_id = now_ms() * 100
        for name, start in STARTS.items():
            for market in (SPOT, USDM):
                self.show((market, name), start * ONE)

    def show(self, key: Key, ask: int, bids: Sequence[Level] = (), asks: Sequence[Level] = ()) -> None:
        """Make the best ask `ask` and the best bid one tick below, with a book around them or exactly the given one."""
        symbol = self.tape.exchange.symbols[key[0]][key[1]]
        tick = symbol.tick
        ask -= ask % tick
        self.prices[key] = ask
        self.tape.snapshot(
            key,
            bids
            or [
                (ask - tick * depth, self._size(key, ask, depth)) for depth in range(1, DEPTH + 1) if ask > tick * depth
            ],
            asks or [(ask + tick * (depth - 1), self._size(key, ask, depth)) for depth in range(1, DEPTH + 1)],
        )
        self.trade_id += 1
        self.tape.trade(key, self.trade_id, ask, symbol.step * 10, now_ms(), False)

    def pin(self, key: Key, ask: int, bids: Sequence[Level] = (), asks: Sequence[Level] = ()) -> None:
        """Set a price by hand and keep it."""
        self.pinned.add(key)
        self.show(key, ask, bids, asks)

    def _size(self, key: Key, price: int, depth: int) -> int:
        step = self.tape.exchange.symbols[key[0]][key[1]].step
        quantity = LEVEL_NOTIONAL * depth * ONE // price
        return max(step, quantity - quantity % step)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(STEP_SECONDS)
            for key, price in list(self.prices.items()):
                if key in self.pinned:
                    continue
                tick = self.tape.exchange.symbols[key[0]][key[1]].tick
                reach = max(1, price // 20_000 // tick)  # half a basis point
                self.show(key, max(tick * (DEPTH + 1), price + self.random.randint(-reach, reach) * tick))
