"""What the signer signs: an allow-list of requests, and the few payloads that may be signed without their request.

A refusal is a code; None means allowed. Whatever is not understood is refused. There is no way to allow a withdrawal
or a transfer: no such path is on the list, and no payload form carries an amount, an address or a counterparty.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_SPOT = {
    "/api/v3/order": ("POST", "GET", "DELETE"),
    "/api/v3/openOrders": ("GET", "DELETE"),
    "/api/v3/allOrders": ("GET",),
    "/api/v3/myTrades": ("GET",),
    "/api/v3/account": ("GET",),
    "/sapi/v1/account/apiRestrictions": ("GET",),
}
_USDM = {
    "/fapi/v1/order": ("POST", "GET", "DELETE"),
    "/fapi/v1/algoOrder": ("POST", "GET", "DELETE"),
    "/fapi/v1/openOrders": ("GET",),
    "/fapi/v1/allOpenOrders": ("DELETE",),
    "/fapi/v1/allOrders": ("GET",),
    "/fapi/v1/userTrades": ("GET",),
    "/fapi/v2/account": ("GET",),
    "/fapi/v3/account": ("GET",),
    "/fapi/v2/balance": ("GET",),
    "/fapi/v3/balance": ("GET",),
    "/fapi/v2/positionRisk": ("GET",),
    "/fapi/v3/positionRisk": ("GET",),
    "/fapi/v1/leverage": ("POST",),
    "/fapi/v1/leverageBracket": ("GET",),
    "/fapi/v1/marginType": ("POST",),
    "/fapi/v1/positionSide/dual": ("GET", "POST"),
}

REQUESTS: frozenset[tuple[str, str, str, str]] = frozenset(
    ("binance", market, method, path)
    for market, paths in (("spot", _SPOT), ("usdm", _USDM))
    for path, methods in paths.items()
    for method in methods
)
"""(venue, market, method, path) the signer signs."""

HOSTS = {("binance", "spot"): "api.binance.com", ("binance", "usdm"): "fapi.binance.com"}
"""Where a request of this venue and market goes, and nowhere else."""

ENVIRONMENTS = frozenset({"paper", "live"})

_QUERY_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%&="
"""Bytes of a query or form. No space, CR or LF: a query must not be able to end its request line and start another."""

MAX_QUERY = 4096

_STREAM = frozenset({"apiKey", "recvWindow", "timestamp"})
_READ = frozenset(
    {"symbol", "limit", "startTime", "endTime", "fromId", "omitZeroBalances", "needDetails", "recvWindow", "timestamp"}
)
_KEY = re.compile(r"[A-Za-z]{1,40}", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*", re.ASCII)  # what no escaping touches
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)

MAX_RECV_WINDOW_MS = 10_000
MAX_SKEW_MS = 10_000


def refuse_request(*, venue: str, market: str, env: str, method: str, path: str) -> str | None:
    """Why this kind of request is not signed, or None."""
    if env not in ENVIRONMENTS:
        return "environment_unknown"
    if (venue, market) not in HOSTS:
        return "venue_unknown"
    if (venue, market, method, path) not in REQUESTS:
        return "request_not_allowed"
    return None


def refuse_query(query: bytes) -> str | None:
    """Why these parameters of an allowed request are not signed, or None. Cheap: it runs for every order."""
    if not query or len(query) > MAX_QUERY:
        return "query_length"
    if query.translate(None, _QUERY_BYTES):
        return "query_bytes"
    if b"signature=" in query:
        return "query_signature"
    return None


def refuse_payload(payload: bytes, *, api_key: str, now_ms: int) -> str | None:
    """Why a payload is not signed without its request, or None.

    Binance signs neither path nor method, so the set of keys decides what a signature is good for. Two sets are let
    through: the subscription to the account's own stream, and reads. Nothing that names an order or an amount is.
    """
    try:
        fields = _fields(payload.decode("ascii"))
    except UnicodeDecodeError:
        return "payload_not_ascii"
    if fields is None:
        return "payload_not_canonical"
    if not _fresh(fields, now_ms):
        return "payload_not_fresh"
    if fields.keys() == _STREAM:
        return None if fields["apiKey"] == api_key else "payload_other_key"
    if fields.keys() <= _READ:
        return None
    return "payload_not_allowed"


def _fresh(fields: dict[str, str], now_ms: int) -> bool:
    at, window = fields.get("timestamp", ""), fields.get("recvWindow", "5000")  # the venue's default, 5 s
    if not _DIGITS.fullmatch(at) or not _DIGITS.fullmatch(window):
        return False
    return abs(int(at) - now_ms) <= MAX_SKEW_MS and int(window) <= MAX_RECV_WINDOW_MS


def _fields(text: str) -> dict[str, str] | None:
    """A query read so strictly that the venue cannot read it differently; None if that is not possible."""
    if not text or len(text) > MAX_QUERY:
        return None
    fields: dict[str, str] = {}
    for part in text.split("&"):
        key, equals, value = part.partition("=")
        if not equals or not _KEY.fullmatch(key) or key in fields:
            return None
        if _PLAIN.fullmatch(value):
            fields[key] = value
            continue
        plain = unquote(value, errors="replace")
        if quote(plain, safe="") != value or not plain.isascii() or not plain.isprintable() or set(plain) & set("&=;+"):
            return None
        fields[key] = plain
    return fields
