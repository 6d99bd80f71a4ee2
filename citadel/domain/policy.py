"""What the signer signs: an allow-list of requests, each with the fields it may have.

A refusal is a code; None means allowed. Whatever is not understood is refused. There is no way to allow a withdrawal, a
transfer or a change of keys: no such path is on the list, and no set of fields carries an address or a counterparty.

Binance signs neither path nor method, so a signature is good for every request that its fields satisfy. That is why a
signed request never leaves Citadel's own processes: the signer hands it to the egress, which sends it to this path.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote, unquote

Fields = dict[str, str]


class Kind(StrEnum):
    """What a request does. Orders are looked at one by one; the others are good in the fields they may have."""

    ORDER = "order"
    STOP = "stop"
    CANCEL = "cancel"
    READ = "read"
    LEVERAGE = "leverage"
    MODE = "mode"


class Rule(NamedTuple):
    """What may be signed for one request: the fields there may be, and those there must be."""

    kind: Kind
    may: frozenset[str]
    must: frozenset[str]


_TIMED = "timestamp recvWindow"


def _rule(kind: Kind, may: str, must: str = "") -> Rule:
    return Rule(kind, frozenset(f"{may} {must} {_TIMED}".split()), frozenset(f"{must} timestamp".split()))


_PLACE = "timeInForce price newOrderRespType"
_ORDER = _rule(Kind.ORDER, _PLACE, "symbol side type quantity newClientOrderId")
_FUTURE = _rule(Kind.ORDER, f"{_PLACE} reduceOnly positionSide", "symbol side type quantity newClientOrderId")
_STOP = _rule(
    Kind.STOP,
    "reduceOnly positionSide workingType",
    "algoType symbol side type quantity triggerPrice clientAlgoId",
)
_FIND = _rule(Kind.READ, "orderId origClientOrderId", "symbol")
_TAKE_OUT = _rule(Kind.CANCEL, "orderId origClientOrderId", "symbol")
_BY_ALGO_ID = "clientAlgoId algoId symbol"
_WINDOW = "symbol limit startTime endTime fromId orderId"

_SPOT = {
    ("POST", "/api/v3/order"): _ORDER,
    ("GET", "/api/v3/order"): _FIND,
    ("DELETE", "/api/v3/order"): _TAKE_OUT,
    ("GET", "/api/v3/openOrders"): _rule(Kind.READ, "symbol"),
    ("GET", "/api/v3/allOrders"): _rule(Kind.READ, _WINDOW, "symbol"),
    ("GET", "/api/v3/myTrades"): _rule(Kind.READ, _WINDOW, "symbol"),
    ("GET", "/api/v3/account"): _rule(Kind.READ, "omitZeroBalances"),
    ("GET", "/sapi/v1/account/apiRestrictions"): _rule(Kind.READ, ""),
}
_USDM = {
    ("POST", "/fapi/v1/order"): _FUTURE,
    ("GET", "/fapi/v1/order"): _FIND,
    ("DELETE", "/fapi/v1/order"): _TAKE_OUT,
    ("POST", "/fapi/v1/algoOrder"): _STOP,
    ("GET", "/fapi/v1/algoOrder"): _rule(Kind.READ, _BY_ALGO_ID),
    ("DELETE", "/fapi/v1/algoOrder"): _rule(Kind.CANCEL, _BY_ALGO_ID),
    ("GET", "/fapi/v1/openOrders"): _rule(Kind.READ, "symbol"),
    ("GET", "/fapi/v1/allOrders"): _rule(Kind.READ, _WINDOW, "symbol"),
    ("GET", "/fapi/v1/userTrades"): _rule(Kind.READ, _WINDOW),
    ("GET", "/fapi/v2/account"): _rule(Kind.READ, ""),
    ("GET", "/fapi/v3/account"): _rule(Kind.READ, ""),
    ("GET", "/fapi/v2/balance"): _rule(Kind.READ, ""),
    ("GET", "/fapi/v3/balance"): _rule(Kind.READ, ""),
    ("GET", "/fapi/v2/positionRisk"): _rule(Kind.READ, "symbol"),
    ("GET", "/fapi/v3/positionRisk"): _rule(Kind.READ, "symbol"),
    ("GET", "/fapi/v1/symbolConfig"): _rule(Kind.READ, "symbol"),
    ("GET", "/fapi/v1/leverageBracket"): _rule(Kind.READ, "symbol"),
    ("GET", "/fapi/v1/positionSide/dual"): _rule(Kind.READ, ""),
    ("POST", "/fapi/v1/leverage"): _rule(Kind.LEVERAGE, "", "symbol leverage"),
    ("POST", "/fapi/v1/marginType"): _rule(Kind.MODE, "", "symbol marginType"),
    ("POST", "/fapi/v1/positionSide/dual"): _rule(Kind.MODE, "", "dualSidePosition"),
}

RULES: dict[tuple[str, str, str, str], Rule] = {
    ("binance", market, method, path): rule
    for market, rules in (("spot", _SPOT), ("usdm", _USDM))
    for (method, path), rule in rules.items()
}
"""(venue, market, method, path) the signer signs, and the fields of each."""

HOSTS = {("binance", "spot"): "api.binance.com", ("binance", "usdm"): "fapi.binance.com"}
"""Where a request of this venue and market goes, and nowhere else."""

JUDGED = frozenset({venue for venue, _ in HOSTS} | {"binanceusdm", "binancecoinm"})
"""Exchanges, by ccxt's names, whose keys are keys of these hosts: nothing is signed with one that was not read."""

ENVIRONMENTS = frozenset({"paper", "live"})

MAX_QUERY = 4096
MAX_RECV_WINDOW_MS = 10_000
MAX_AHEAD_MS = 1_000
"""How far a timestamp may lie in the future: whoever may date ahead has a signature for later."""

DEFAULT_WINDOW = "5000"
"""The venue's own receive window where none is named, in milliseconds."""

_STREAM = frozenset({"apiKey", "recvWindow", "timestamp"})
_KEY = re.compile(r"[A-Za-z]{1,40}", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*", re.ASCII)  # what no escaping touches
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)


def refuse_request(*, venue: str, market: str, env: str, method: str, path: str) -> str | None:
    """Why this kind of request is not signed, or None."""
    if env not in ENVIRONMENTS:
        return "environment_unknown"
    if (venue, market) not in HOSTS:
        return "venue_unknown"
    if (venue, market, method, path) not in RULES:
        return "request_not_allowed"
    return None


def refuse_fields(rule: Rule, fields: Fields, *, now_ms: int) -> str | None:
    """Why a request with these fields is not signed under its rule, or None."""
    if not fields.keys() <= rule.may:
        return "field_not_allowed"
    if not rule.must <= fields.keys():
        return "field_missing"
    return None if fresh(fields, now_ms=now_ms) else "query_not_fresh"


def refuse_payload(payload: bytes, *, api_key: str, now_ms: int) -> str | None:
    """Why a payload is not signed without its request, or None.

    The subscription to the account's own stream is; nothing else. A read with a symbol would be good for cancelling
    all of the symbol's orders, so reads go by their requests, through the egress.
    """
    fields = query_fields(payload)
    if fields is None:
        return "payload_not_canonical"
    if fields.keys() != _STREAM:
        return "payload_not_allowed"
    if not fresh(fields, now_ms=now_ms):
        return "payload_not_fresh"
    return None if fields["apiKey"] == api_key else "payload_other_key"


def fresh(fields: Fields, *, now_ms: int) -> bool:
    """Whether the venue would take this now: inside its receive window, which is not longer than it may be."""
    at, window = fields.get("timestamp", ""), fields.get("recvWindow", DEFAULT_WINDOW)
    if not _DIGITS.fullmatch(at) or not _DIGITS.fullmatch(window):
        return False
    return int(window) <= MAX_RECV_WINDOW_MS and -MAX_AHEAD_MS <= now_ms - int(at) <= int(window)


def query_fields(query: bytes) -> Fields | None:
    """A query read so strictly that the venue cannot read it differently; None if that is not possible.

    No key twice, no empty key, no other escape than the canonical one, nothing but printable ASCII, and no value with
    a character that parts fields.
    """
    if not query or len(query) > MAX_QUERY or not query.isascii():
        return None
    fields: Fields = {}
    for part in query.decode("ascii").split("&"):
        key, equals, value = part.partition("=")
        if not equals or not _KEY.fullmatch(key) or key in fields:
            return None
        if not _PLAIN.fullmatch(value):
            plain = unquote(value, errors="replace")
            if quote(plain, safe="") != value or not plain.isascii() or not plain.isprintable():
                return None
            if set(plain) & set("&=;+"):
                return None
            value = plain
        fields[key] = value
    return fields
