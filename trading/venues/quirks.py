"""What is different about each exchange, as data; and the ccxt.pro classes that close holes ccxt leaves open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any


class Meaning(StrEnum):
    """What a venue's error code means to us."""

    INSUFFICIENT = "insufficient"  # not enough balance or margin
    DUPLICATE = "duplicate"  # an open order has this client order id: ours exists
    FILTER = "filter"  # size, price or notional outside the symbol's rules
    HALTED = "halted"
    LATE = "late"  # refused for its timestamp: it did not and will not execute
    KEY = "key"  # the key is wrong, or lacks a permission
    THROTTLED = "throttled"
    UNSURE = "unsure"  # may have executed: ask, never send again
    UNKNOWN_ORDER = "unknown_order"
    REDUCE_ONLY = "reduce_only"  # there is nothing (left) to close
    POSITION_MODE = "position_mode"  # one-way order on a hedged account, or the other way round
    ALREADY = "already"  # the setting was so already: a success
    LISTEN_KEY = "listen_key"  # the user stream's key has ended: make a new one


class Then(StrEnum):
    """What is done about an order after such an answer."""

    NEVER = "never"  # refused for good: it is rejected, and told
    ASK = "ask"  # it may exist: the venue is asked before anything else is done
    WAIT = "wait"  # refused unexecuted, for the moment: sent again after a pause, while the trade is fresh


THEN: Mapping[Meaning, Then] = {
    Meaning.INSUFFICIENT: Then.NEVER,
    Meaning.DUPLICATE: Then.ASK,
    Meaning.FILTER: Then.NEVER,
    Meaning.HALTED: Then.NEVER,
    # It did not execute, but a clock that is wrong would be wrong again: asking costs the pause that this needs.
    Meaning.LATE: Then.ASK,
    Meaning.KEY: Then.NEVER,
    Meaning.THROTTLED: Then.WAIT,
    Meaning.UNSURE: Then.ASK,
    Meaning.UNKNOWN_ORDER: Then.ASK,
    Meaning.REDUCE_ONLY: Then.NEVER,
    Meaning.POSITION_MODE: Then.NEVER,
    Meaning.ALREADY: Then.NEVER,
    Meaning.LISTEN_KEY: Then.NEVER,
}

_COMMON = {
    -1000: Meaning.UNSURE,
    -1001: Meaning.UNSURE,
    -1003: Meaning.THROTTLED,
    -1008: Meaning.THROTTLED,
    -1015: Meaning.THROTTLED,
    -1016: Meaning.UNSURE,
    -1034: Meaning.THROTTLED,
    -1006: Meaning.UNSURE,
    -1007: Meaning.UNSURE,
    -1021: Meaning.LATE,
    -1022: Meaning.KEY,
    -2014: Meaning.KEY,
    -2015: Meaning.KEY,
    -1013: Meaning.FILTER,
    -1111: Meaning.FILTER,
    -2011: Meaning.UNKNOWN_ORDER,
    -2013: Meaning.UNKNOWN_ORDER,
}
_SPOT = {**_COMMON, -2010: Meaning.INSUFFICIENT}
_USDM = {
    **_COMMON,
    -1125: Meaning.LISTEN_KEY,
    -2018: Meaning.INSUFFICIENT,
    -2019: Meaning.INSUFFICIENT,
    -2022: Meaning.REDUCE_ONLY,
    -2027: Meaning.FILTER,
    -4003: Meaning.FILTER,
    -4004: Meaning.FILTER,
    -4005: Meaning.FILTER,
    -4014: Meaning.FILTER,
    -4016: Meaning.FILTER,
    -4024: Meaning.FILTER,
    -4046: Meaning.ALREADY,
    -4059: Meaning.ALREADY,
    -4061: Meaning.POSITION_MODE,
    -4116: Meaning.DUPLICATE,
    -4164: Meaning.FILTER,
}


def _meaning(codes: Mapping[int, Meaning], code: int, message: str) -> Meaning | None:
    known = codes.get(code)
    if code == -2010:
        if "uplicate" in message:
            return Meaning.DUPLICATE
        return known if "insufficient" in message.lower() else Meaning.FILTER
    if code == -1013 and "closed" in message:
        return Meaning.HALTED
    return known


_ANY_MARKET = {**_SPOT, **_USDM}


def then(*, status: int, code: int, message: str) -> Then:
    """What is done about an order that was answered like this: HTTP status, the venue's code (0: none) and words.

    A code that is not known, with a status that blames the request, is a refusal for good.
    """
    meaning = _meaning(_ANY_MARKET, code, message)
    if status in (418, 429) or meaning is Meaning.THROTTLED:
        return Then.WAIT
    # A redirection is no refusal either: who answered it did not read the order.
    if not 400 <= status < 500 or not code:
        return Then.ASK
    return Then.NEVER if meaning is None else THEN[meaning]


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` in each interval of so many seconds; intervals begin when the clock is a multiple of them.

    `header` is the answer's header in which the exchange tells what it has counted.
    """

    limit: int
    seconds: int
    header: str


@dataclass(frozen=True, slots=True)
class Venue:
    """One market of one exchange.

    `most_client_id` is the length a client order id may have. `closes_exempt` says that reduce-only orders need no
    minimum notional. The limits are the exchange's own: `weight` for each of our addresses, `orders` for each account;
    an order, a question after one and a question after its trades weigh so much.
    """

    exchange: str
    market: str
    ccxt_id: str
    rest: str
    order_path: str
    trades_path: str
    hosts: frozenset[str]
    codes: Mapping[int, Meaning]
    most_client_id: int = 36
    closes_exempt: bool = False
    order_weight: int = 1
    question_weight: int = 4
    trades_weight: int = 5
    weight: Window = Window(6_000, 60, "x-mbx-used-weight-1m")
    orders: tuple[Window, ...] = (
        Window(100, 10, "x-mbx-order-count-10s"),
        Window(200_000, 86_400, "x-mbx-order-count-1d"),
    )
    # A duplicate client order id is refused only while the first is open: a filled one would be executed again.
    remembers_client_ids: bool = False
    ccxt_options: Mapping[str, Any] = field(default_factory=dict)

    def meaning(self, code: int, message: str = "") -> Meaning | None:
        """What a code means; None for one we do not know. Spot's -2010 needs the message to tell two things apart."""
        return _meaning(self.codes, code, message)


# Only the calls that are needed: loading markets otherwise asks for currencies, margin pairs and other markets too.
_LEAN = {
    "fetchCurrencies": False,
    "fetchMargins": False,
    "tradesLimit": 10_000,
    "ordersLimit": 10_000,
    "warnOnFetchOpenOrdersWithoutSymbol": False,
}

BINANCE_SPOT = Venue(
    exchange="binance",
    market="spot",
    ccxt_id="binance",
    rest="https://api.binance.com",
    order_path="/api/v3/order",
    trades_path="/api/v3/myTrades",
    hosts=frozenset({"api.binance.com", "stream.binance.com", "ws-api.binance.com"}),
    codes=_SPOT,
    ccxt_options={**_LEAN, "defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
)
BINANCE_USDM = Venue(
    exchange="binance",
    market="usdm",
    ccxt_id="binanceusdm",
    rest="https://fapi.binance.com",
    order_path="/fapi/v1/order",
    trades_path="/fapi/v1/userTrades",
    hosts=frozenset({"fapi.binance.com", "fstream.binance.com", "ws-fapi.binance.com"}),
    codes=_USDM,
    closes_exempt=True,
    order_weight=0,
    question_weight=1,
    weight=Window(2_400, 60, "x-mbx-used-weight-1m"),
    orders=(Window(300, 10, "x-mbx-order-count-10s"), Window(1_200, 60, "x-mbx-order-count-1m")),
    ccxt_options={**_LEAN, "defaultType": "swap", "fetchMarkets": {"types": ["linear"]}},
)
VENUES: Mapping[tuple[str, str], Venue] = {(one.exchange, one.market): one for one in (BINANCE_SPOT, BINANCE_USDM)}
PAPER_HOSTS = frozenset({"dapi.binance.com"}).union(*(one.hosts for one in VENUES.values()))


_WEIGHT_OF_COST = {"public": ("spot", 5.0), "private": ("spot", 5.0), "fapi": ("usdm", 1.0)}
"""By the beginning of ccxt's name of an API: the market whose limit its requests count in, and the exchange's weight of
one unit of ccxt's cost."""


_HEAVIER = {("usdm", "account"): 5, ("usdm", "balance"): 5, ("usdm", "positionRisk"): 5}
"""What the exchange counts for more than ccxt's table says."""


def weight_of(*, api: str, path: str, cost: float) -> tuple[str, int] | None:
    """The market and the weight of a request of this cost in ccxt's table; None where neither limit counts it."""
    for begins, (market, unit) in _WEIGHT_OF_COST.items():
        if api.startswith(begins):
            return market, max(_HEAVIER.get((market, path), 1), math.ceil(cost * unit - 1e-9))
    return None


@cache
def exchange_class(ccxt_id: str) -> Any:
    """The ccxt.pro class of an id, ours where ccxt would lose fills. Importing ccxt takes two seconds: only here.

    :raises KeyError: ccxt does not know the id
    """
    import ccxt.pro
    from ccxt.base.errors import AuthenticationError, NetworkError

    class Spot(ccxt.pro.binance):
        """ccxt drops a terminated user stream silently: pending watches would never wake."""

        def handle_message(self, client: Any, message: Any) -> Any:
            event = message.get("event", message) if isinstance(message, dict) else {}
            if isinstance(event, dict) and event.get("e") == "eventStreamTerminated":
                self.clients.pop(client.url, None)
                client.on_error(NetworkError(f"{self.id} eventStreamTerminated: watch again and backfill"))
                return None
            return super().handle_message(client, message)

        async def ensure_user_data_stream_ws_subscribe_signature(self, marketType: str = "spot") -> None:
            """A refused subscription surfaces as a bare KeyError in ccxt; the key or its signature is wrong."""
            try:
                await super().ensure_user_data_stream_ws_subscribe_signature(marketType)
            except KeyError as lost:
                raise AuthenticationError(f"{self.id} refused the user data stream: check the key") from lost

    class Usdm(ccxt.pro.binanceusdm):
        """ccxt does not know listenKeyExpired: pending watches would hang for up to twenty minutes."""

        def handle_message(self, client: Any, message: Any) -> Any:
            if isinstance(message, dict) and message.get("e") == "listenKeyExpired":
                self.options["linear"] = {"listenKey": None, "lastAuthenticatedTime": 0}
                self.clients.pop(client.url, None)
                client.on_error(NetworkError(f"{self.id} listenKeyExpired: watch again and backfill"))
                return None
            return super().handle_message(client, message)

    ours = {"binance": Spot, "binanceusdm": Usdm}
    if ccxt_id in ours:
        return ours[ccxt_id]
    if ccxt_id not in ccxt.pro.exchanges:
        raise KeyError(ccxt_id)
    return getattr(ccxt.pro, ccxt_id)
