"""Binance's rate limits, a set for each market: request weight an address, orders an account, and the ban of who does
not listen."""

from __future__ import annotations

import time
from collections.abc import Mapping

from .refusals import Refused
from .symbols import SPOT, USDM

PATIENCE = 20  # requests answered 429 in one minute before the address is banned
BAN_SECONDS = 120  # the shortest ban; a repeated one doubles, up to three days

WEIGHT_A_MINUTE = {SPOT: 6_000, USDM: 2_400}
ORDERS = {SPOT: {"10s": 100, "1d": 200_000}, USDM: {"10s": 300, "1m": 1_200}}
"""How many orders an account may send in which interval."""
INTERVALS = {"10s": (10, "SECOND", 10), "1m": (60, "MINUTE", 1), "1d": (86_400, "DAY", 1)}


class Window:
    """A count that starts anew when the clock enters the next interval."""

    __slots__ = ("used", "start")

    def __init__(self) -> None:
        self.used = self.start = 0

    def add(self, amount: int, now: float, seconds: int) -> int:
        start = int(now) // seconds
        if start != self.start:
            self.start, self.used = start, 0
        self.used += amount
        return self.used


class Address:
    """What one address used, was warned about, and whether it is banned."""

    __slots__ = ("weight", "warned", "banned_until", "bans", "requests", "refused")

    def __init__(self) -> None:
        self.weight, self.warned, self.banned_until, self.bans = Window(), Window(), 0.0, 0
        self.requests = self.refused = 0


class Limits:
    """One market's. Counts always, refuses only when `enforced`. The figures may be made smaller for a while."""

    def __init__(self, market: str, *, enforced: bool) -> None:
        self.market = market
        self.restore(enforced=enforced)

    def restore(self, *, enforced: bool) -> None:
        """The exchange's own figures, and nothing used."""
        self.enforced = enforced
        self.weight_a_minute, self.order_limits = WEIGHT_A_MINUTE[self.market], dict(ORDERS[self.market])
        self.addresses: dict[str, Address] = {}
        self.orders: dict[int, dict[str, Window]] = {}

    def weigh(self, address: str, weight: int) -> int:
        """Book a request; the weight used in this minute.

        :raises Refused: 429 with Retry-After over the limit, 418 when that was ignored
        """
        now = time.time()
        one = self.addresses.get(address)
        if one is None:
            one = self.addresses[address] = Address()
        one.requests += 1
        if now < one.banned_until:
            one.refused += 1
            raise self._banned(one, now)
        used = one.weight.add(weight, now, 60)
        if used > self.weight_a_minute and self.enforced:
            one.refused += 1
            if one.warned.add(1, now, 60) > PATIENCE:
                one.bans += 1
                one.banned_until = now + min(BAN_SECONDS * 2 ** (one.bans - 1), 259_200)
                raise self._banned(one, now)
            raise self._too_much(60 - int(now) % 60)
        return used

    def order(self, account: int) -> dict[str, int]:
        """Book an order; the counts by interval.

        :raises Refused: 429, -1015
        """
        now = time.time()
        windows = self.orders.get(account)
        if windows is None:
            windows = self.orders[account] = {name: Window() for name in self.order_limits}
        counts = {name: windows[name].add(1, now, INTERVALS[name][0]) for name in self.order_limits}
        for name, limit in self.order_limits.items() if self.enforced else ():
            if counts[name] > limit:
                seconds, unit, number = INTERVALS[name]
                text = f"Too many new orders; current limit is {limit} orders per {number} {unit}."
                raise Refused(-1015, text, 429, f"Retry-After: {seconds - int(now) % seconds}\r\n")
        return counts

    def counts(self, account: int) -> list[dict[str, object]]:
        """How many orders an account sent in the current intervals."""
        windows, now = self.orders.get(account) or {}, time.time()
        return [
            _rule("ORDERS", name, limit)
            | {"count": windows[name].add(0, now, INTERVALS[name][0]) if name in windows else 0}
            for name, limit in self.order_limits.items()
        ]

    def rules(self) -> list[dict[str, object]]:
        """As exchangeInfo tells them."""
        weight = _rule("REQUEST_WEIGHT", "1m", self.weight_a_minute)
        return [weight, *(_rule("ORDERS", name, limit) for name, limit in self.order_limits.items())]

    def told(self) -> dict[str, object]:
        """For the control port: the figures, and what each address used of them in this minute, and asked ever."""
        now = time.time()
        return {
            "enforced": self.enforced,
            "weight": self.weight_a_minute,
            "orders": self.order_limits,
            "addresses": {
                name: {
                    "used": one.weight.add(0, now, 60),
                    "requests": one.requests,
                    "refused": one.refused,
                    "banned": now < one.banned_until,
                }
                for name, one in self.addresses.items()
            },
        }

    @staticmethod
    def _banned(one: Address, now: float) -> Refused:
        until = int(one.banned_until * 1000)
        text = (
            f"Way too much request weight used; IP banned until {until}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return Refused(-1003, text, 418, f"Retry-After: {max(1, round(one.banned_until - now))}\r\n")

    def _too_much(self, wait: int) -> Refused:
        text = (
            f"Too much request weight used; current limit is {self.weight_a_minute} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return Refused(-1003, text, 429, f"Retry-After: {wait}\r\n")


def both(*, enforced: bool) -> Mapping[str, Limits]:
    """The limits of both markets."""
    return {market: Limits(market, enforced=enforced) for market in (SPOT, USDM)}


def _rule(kind: str, name: str, limit: int) -> dict[str, object]:
    _, unit, number = INTERVALS[name]
    return {"rateLimitType": kind, "interval": unit, "intervalNum": number, "limit": limit}
