"""What leads do: a plan of trades that opens, closes in part, closes and turns around, and the record of each."""

from __future__ import annotations

import itertools
import random
import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

from obscura.local.laws import LeadTrade
from obscura.local.record import Lead, Window, trades_of
from obscura.local.venue import Control, VenueAway

# What a lead trades in one go, in the base asset: sizes that fill at the top of any of the markets.
SIZES = {
    ("spot", "BTCUSDT"): Decimal("0.01"),
    ("spot", "ETHUSDT"): Decimal("0.2"),
    ("usdm", "BTCUSDT"): Decimal("0.02"),
    ("usdm", "ETHUSDT"): Decimal("0.4"),
}
STEPS = {"spot": Decimal("0.0001"), "usdm": Decimal("0.001")}
MARGIN = timedelta(milliseconds=2)
SPOT_KEPT = Decimal("0.999")
"""Of what is bought on spot, the part that is left when the venue has taken its fee in kind."""


class Move(NamedTuple):
    """A lead's next trade, in words a person would use."""

    market: str
    symbol: str
    side: str
    quantity: Decimal
    words: str


class Hand:
    """A lead's hand: knows what it holds, and what to do next. Seeded, so that a run can be repeated."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.held: dict[tuple[str, str], Decimal] = dict.fromkeys(SIZES, Decimal(0))
        self._turn = itertools.cycle(SIZES)

    def moves(self) -> Iterator[Move]:
        """For ever: each market in turn; what is held is reduced or closed, what is not is opened."""
        for place in self._turn:
            yield self._next(place)

    def done(self, move: Move) -> None:
        """The venue made this trade."""
        place, signed = (move.market, move.symbol), move.quantity if move.side == "BUY" else -move.quantity
        if move.market == "spot" and signed > 0:
            signed = (signed * SPOT_KEPT).quantize(STEPS["spot"], rounding=ROUND_FLOOR)
        self.held[place] += signed

    def closing(self) -> Iterator[Move]:
        """What closes everything that is held."""
        for (market, symbol), held in list(self.held.items()):
            if held:
                yield Move(market, symbol, "SELL" if held > 0 else "BUY", abs(held), "closing")

    def _next(self, place: tuple[str, str]) -> Move:
        market, symbol = place
        held, size = self.held[place], SIZES[place]
        if not held:
            side = "SELL" if market == "usdm" and self._random.random() < 0.5 else "BUY"
            return Move(market, symbol, side, size, "opening")
        away = "SELL" if held > 0 else "BUY"
        chance = self._random.random()
        # A quarter is closed as a whole: half of it could be less than a venue takes.
        if chance < 0.4 and abs(held) > size / 4:
            part = (abs(held) / 2).quantize(STEPS[market], rounding=ROUND_FLOOR)
            return Move(market, symbol, away, part, "closing half")
        if chance < 0.55 and market == "usdm":
            return Move(market, symbol, away, abs(held) + size, "turning around")
        return Move(market, symbol, away, abs(held), "closing")


class Diary:
    """Everything leads did in a run. Safe to write from several threads."""

    def __init__(self, *, since: datetime, leads: list[Lead]) -> None:
        # The venue counts whole milliseconds: what happens at once must not seem to have happened before.
        self.since, self.leads = since - MARGIN, leads
        self._trades: set[LeadTrade] = set()
        self._orders: dict[str, str] = {}
        self._lock = threading.Lock()

    def trade(self, *, control: Control, lead: Lead, move: Move) -> Mapping[str, Any]:
        """Trade at the venue as the lead's own app would, and write down what came of it.

        Where the venue ends before it answers, it is asked when it is back: only what did not happen is tried again.

        :raises obscura.local.venue.VenueRefused: it did not trade
        :raises obscura.local.venue.VenueAway: it does not come back
        """
        client_id = uuid.uuid4().hex
        while True:
            try:
                answer = control.trade(
                    api_key=lead.api_key,
                    market=move.market,
                    symbol=move.symbol,
                    side=move.side,
                    quantity=f"{move.quantity.normalize():f}",
                    client_id=client_id,
                )
                break
            except VenueAway:
                control.wait()
                found = control.order(api_key=lead.api_key, market=move.market, client_id=client_id)
                if found is not None:
                    answer = found
                    break
        with self._lock:
            self._trades |= set(trades_of(lead.account, move.market, move.symbol, answer))
            self._orders[str(answer["orderId"])] = client_id
        return answer

    def window(self) -> Window:
        """The run so far."""
        with self._lock:
            return Window(since=self.since, leads=self.leads, trades=frozenset(self._trades), orders=dict(self._orders))
