"""Binance's rate limits: request weight an address, orders an account, and the ban of who does not listen."""

from __future__ import annotations

import time

from .refusals import Refused

WEIGHT_A_MINUTE = 6_000
ORDERS_IN_TEN_SECONDS = 100
ORDERS_A_DAY = 200_000
PATIENCE = 20  # requests answered 429 in one minute before the address is banned
BAN_SECONDS = 120  # the shortest ban; a repeated one doubles, up to three days

RULES = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_A_MINUTE},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": ORDERS_IN_TEN_SECONDS},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": ORDERS_A_DAY},
]


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

    __slots__ = ("weight", "warned", "banned_until", "bans")

    def __init__(self) -> None:
        self.weight, self.warned, self.banned_until, self.bans = Window(), Window(), 0.0, 0


class Limits:
    """Counts always, refuses only when `enforced`."""

    def __init__(self, *, enforced: bool) -> None:
        self.enforced = enforced
        self.addresses: dict[str, Address] = {}
        self.orders: dict[int, tuple[Window, Window]] = {}

    def weigh(self, address: str, weight: int) -> int:
        """Book a request; the weight used in this minute.

        :raises Refused: 429 with Retry-After over the limit, 418 when that was ignored
        """
        now = time.time()
        one = self.addresses.get(address)
        if one is None:
            one = self.addresses[address] = Address()
        if now < one.banned_until:
            raise self._banned(one, now)
        used = one.weight.add(weight, now, 60)
        if used > WEIGHT_A_MINUTE and self.enforced:
            if one.warned.add(1, now, 60) > PATIENCE:
                one.bans += 1
                one.banned_until = now + min(BAN_SECONDS * 2 ** (one.bans - 1), 259_200)
                raise self._banned(one, now)
            raise too_much(60 - int(now) % 60)
        return used

    def order(self, account: int) -> tuple[int, int]:
        """Book an order; the counts of ten seconds and of the day.

        :raises Refused: 429, -1015
        """
        now = time.time()
        windows = self.orders.get(account)
        if windows is None:
            windows = self.orders[account] = (Window(), Window())
        short, day = windows[0].add(1, now, 10), windows[1].add(1, now, 86_400)
        if self.enforced and (short > ORDERS_IN_TEN_SECONDS or day > ORDERS_A_DAY):
            limit, per, wait = (
                (ORDERS_IN_TEN_SECONDS, "10 SECOND", 10 - int(now) % 10)
                if short > ORDERS_IN_TEN_SECONDS
                else (ORDERS_A_DAY, "1 DAY", 86_400 - int(now) % 86_400)
            )
            text = f"Too many new orders; current limit is {limit} orders per {per}."
            raise Refused(-1015, text, 429, f"Retry-After: {wait}\r\n")
        return short, day

    def counts(self, account: int) -> list[dict[str, object]]:
        """How many orders an account sent in the current intervals."""
        short, day = self.orders.get(account) or (Window(), Window())
        now = time.time()
        return [RULES[1] | {"count": short.add(0, now, 10)}, RULES[2] | {"count": day.add(0, now, 86_400)}]

    @staticmethod
    def _banned(one: Address, now: float) -> Refused:
        until = int(one.banned_until * 1000)
        text = (
            f"Way too much request weight used; IP banned until {until}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return Refused(-1003, text, 418, f"Retry-After: {max(1, round(one.banned_until - now))}\r\n")


def too_much(wait: int) -> Refused:
    text = (
        f"Too much request weight used; current limit is {WEIGHT_A_MINUTE} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return Refused(-1003, text, 429, f"Retry-After: {wait}\r\n")
