"""The table of REST calls: who may ask, what it weighs, who answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .exchange import Exchange
from .ledger import Account
from .tape import Tape

OPEN, KEYED, SIGNED = "open", "keyed", "signed"


@dataclass(slots=True)
class Call:
    """What a handler gets. `account` is None for open calls."""

    exchange: Exchange
    tape: Tape
    params: Mapping[str, str]
    account: Account | None = None

    @property
    def owner(self) -> Account:
        assert self.account is not None, "a signed call has an account"
        return self.account


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    handler: Handler
    market: str
    access: str = OPEN
    weight: int = 1
    order: bool = False  # counts against the account's order limits
    of_one_order: int = 0  # the weight where the query names an order; 0: the same
    with_symbol: int = 0  # the weight where the query names a symbol; 0: the same

    def weighs(self, query: bytes) -> int:
        """What this request weighs."""
        if self.with_symbol and b"symbol=" in query:
            return self.with_symbol
        return self.of_one_order if self.of_one_order and b"orderId=" in query else self.weight


TABLE: dict[tuple[str, str], Route] = {}


def route(
    method: str,
    *paths: str,
    market: str,
    access: str = OPEN,
    weight: int = 1,
    order: bool = False,
    of_one_order: int = 0,
    with_symbol: int = 0,
) -> Callable[[Handler], Handler]:
    """Register a handler for a method and paths; it answers anything JSON-able."""

    def register(handler: Handler) -> Handler:
        for path in paths:
            TABLE[method, path] = Route(handler, market, access, weight, order, of_one_order, with_symbol)
        return handler

    return register
