"""Where ccxt sends what reads, places and takes out: the addresses a vault may send to, found in ccxt itself.

An address is method, host and path. It is listed if a unified method of ccxt that reads an account, places or cancels
orders asks there, and nothing else that takes a key does: what is told apart by its body alone is not told apart here.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from citadel import uses
from citadel.bearing import bearable
from citadel.domain.calls import CANCEL, NEVER, ORDER, READ, Calls, recorded
from citadel.domain.policy import JUDGED
from citadel.domain.request import Address
from citadel.matrix.credentials import WITH_TOKEN, credential
from citadel.matrix.requests import Endpoint, frozen

PATH = Path(str(resources.files("citadel"))) / "calls.json"

UNIFIED: dict[str, str] = {
    READ: (
        "fetch_accounts fetch_balance fetch_canceled_and_closed_orders fetch_canceled_orders fetch_closed_order"
        " fetch_closed_orders fetch_currencies fetch_leverage fetch_leverages fetch_leverage_tiers fetch_margin_mode"
        " fetch_margin_modes fetch_market_leverage_tiers fetch_markets fetch_my_trades fetch_open_order"
        " fetch_open_orders fetch_order fetch_order_trades fetch_orders fetch_orders_by_ids fetch_orders_by_status"
        " fetch_position fetch_position_history fetch_position_mode fetch_positions fetch_positions_for_symbol"
        " fetch_positions_history fetch_positions_risk fetch_time fetch_trading_fee fetch_trading_fees"
    ),
    CANCEL: "cancel_all_orders cancel_order cancel_orders cancel_orders_for_symbols",
    ORDER: (
        "create_market_buy_order_with_cost create_market_order_with_cost create_market_sell_order_with_cost"
        " create_order create_orders edit_order edit_orders set_leverage set_margin_mode set_position_mode"
    ),
}
"""ccxt's unified methods by what they do, the harmless first."""

ABOUT_KEYS: dict[str, str] = {
    "bingx": "accountV1PrivateGetAccountApiPermissions accountV1PrivateGetAccountApiRestrictions",
    "bitfinex": "privatePostAuthRPermissions",
    "bitget": "privateSpotGetV2SpotAccountInfo privateUtaGetV3AccountInfo",
    "bithumb": "privateGetV1ApiKeys privateGetApiKeys",
    "bybit": "privateGetV5UserQueryApi",
    "coinbase": "v3PrivateGetBrokerageKeyPermissions",
    "deribit": "privateGetListApiKeys",
    "gate": "privateAccountGetDetail privateAccountGetMainKeys",
    "htx": "v2PrivateGetUserApiKey v2PrivateGetUserUid",
    "kraken": "privatePostGetApiKeyInfo",
    "kucoin": "privateGetUserApiKey",
    "mexc": "spotPrivateGetApiKeyInfo spotPrivateGetAccount",
    "okx": "privateGetAccountConfig",
    "modetrade": "v1PrivateGetClientKeyInfo",
    "upbit": "privateGetApiKeys",
    "woofipro": "v1PrivateGetClientKeyInfo",
}
"""What tells of a key's rights, by ccxt's implicit names. What trading/venues/permissions asks is among these."""

_FILLS = ({"symbol": "BTCUSDT", "amount": "1.5"}, {"symbol": "ETHUSDT", "amount": "2.5"})


def table(exchange: str) -> Calls:
    """What is asked of an exchange; empty where its requests cannot be built."""
    import ccxt

    kind = getattr(ccxt, exchange)
    names = _kinds(kind, exchange)
    found: dict[Address, set[str]] = {}
    for endpoint, called in _entries(kind).items():
        address = _address(exchange, endpoint)
        if address is not None:
            wanted = {names[name] for name in called & names.keys()}
            other = {NEVER} if _keyed(endpoint) and not _in_path(endpoint, address) else set()
            found.setdefault(address, set()).update(wanted or other)
    listed = {address: _worst(kinds or {NEVER}) for address, kinds in found.items()}
    allowed = {address: kind for address, kind in listed.items() if kind != NEVER}
    # A path with a step that varies may match one that is not to be asked: that one stands beside it, and wins.
    hidden = {address: NEVER for address in listed.keys() - allowed.keys() if _matches_any(address, allowed)}
    rows = sorted({**allowed, **hidden}.items(), key=lambda row: (row[0].host, row[0].path, row[0].method))
    return Calls({f"{one.host} {one.method} {one.path}": kind for one, kind in rows}, _headers(kind, exchange))


def _headers(kind: type, exchange: str) -> frozenset[str]:
    """Every header that ccxt sends there, by name."""
    kinds = uses.PROFILES[exchange].kinds
    found = [*_instance(exchange, 0, kinds[0]).headers]
    for endpoint in _entries(kind):
        for key in kinds:
            found += (_made(exchange, endpoint, 0, key) or {}).get("headers") or {}
    return frozenset(name.lower() for name in found)


def addresses(exchange: str, name: str) -> list[Address]:
    """Where ccxt's implicit method of this name asks."""
    import ccxt

    asked = [endpoint for endpoint, names in _entries(getattr(ccxt, exchange)).items() if name in names]
    return [address for one in asked if (address := _address(exchange, one)) is not None]


def _worst(kinds: Iterable[str]) -> str:
    order = (READ, CANCEL, ORDER, NEVER)
    return max(kinds, key=order.index)


def _matches_any(address: Address, allowed: Iterable[Address]) -> bool:
    return any(
        one.host == address.host and one.method == address.method and _pattern(one.path).fullmatch(address.path)
        for one in allowed
        if "*" in one.path
    )


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("/".join("[^/]+" if step == "*" else re.escape(step) for step in path.split("/")))


def _keyed(endpoint: Endpoint) -> bool:
    return not any("public" in part.lower() for part in endpoint.api)


def _in_path(endpoint: Endpoint, address: Address) -> bool:
    """Whether the path says what is asked: then the same address is the same question, by whatever name."""
    own = re.sub(r"\{[\w-]+\}", "*", endpoint.path).strip("/")
    return address.path == f"/{own}" or address.path.endswith(f"/{own}")


def _kinds(kind: type, exchange: str) -> dict[str, str]:
    """What ccxt's implicit methods are used for, by name."""
    found: dict[str, str] = {}
    entries = {name for names in _entries(kind).values() for name in names}
    for what, methods in UNIFIED.items():
        for method in methods.split():
            for name in _words(kind, method) & entries:
                found.setdefault(name, what)  # what a reading method asks reads, whoever else asks it
    for code, names in ABOUT_KEYS.items():
        if exchange == code or any(base.__name__ == code for base in kind.__mro__):
            found |= dict.fromkeys(set(names.split()) & entries - found.keys(), READ)
    return found


@cache
def _entries(kind: type) -> dict[Endpoint, set[str]]:
    """The implicit API: endpoints, and the names each is called by."""
    from ccxt.base.types import Entry

    found: dict[Endpoint, set[str]] = {}
    for base in kind.__mro__:
        for name, entry in vars(base).items():
            if isinstance(entry, Entry):
                api = (entry.api,) if isinstance(entry.api, str) else tuple(entry.api)
                found.setdefault(Endpoint(entry.path, api, entry.method), set()).add(name)
    return found


def _words(kind: type, method: str) -> set[str]:
    """Every word in the source of a method and of the helpers it calls, but for other unified methods."""
    from ccxt.base.exchange import Exchange

    unified = {name for names in UNIFIED.values() for name in names.split()}
    words: set[str] = set()
    todo, seen = [method], {method}
    while todo:
        function = getattr(kind, todo.pop(), None)
        if not inspect.isfunction(function) or not function.__module__.startswith("ccxt."):
            continue
        if function.__qualname__.startswith(f"{Exchange.__name__}.") and function.__name__ not in unified:
            continue
        text = inspect.getsource(function)
        words |= set(re.findall(r"\w+", text))
        for name in set(re.findall(r"self\.(\w+)\(", text)) - seen - unified:
            if not name.startswith(("withdraw", "transfer", "fetch_", "load_")):
                seen.add(name)
                todo.append(name)
    return words


def _address(exchange: str, endpoint: Endpoint) -> Address | None:
    """Where ccxt sends an endpoint's request: built twice, what differs is a step that varies."""
    first, second = (_sent(exchange, endpoint, turn) for turn in (0, 1))
    if first is None or second is None or first[:2] != second[:2]:
        return None
    steps = list(zip(first.path.split("/"), second.path.split("/"), strict=False))
    if first.path.count("/") != second.path.count("/"):
        return None
    return Address(first.host, first.method, "/".join(one if one == other else "*" for one, other in steps))


def _sent(exchange: str, endpoint: Endpoint, turn: int) -> Address | None:
    made = _made(exchange, endpoint, turn, uses.PROFILES[exchange].kinds[0])
    parts = urlsplit(made["url"] if made else "")
    if made is None or parts.scheme != "https":
        return None
    return Address(parts.netloc, str(made["method"]), parts.path)


@cache
def _made(exchange: str, endpoint: Endpoint, turn: int, key: str) -> dict[str, Any] | None:
    """A request as ccxt makes it; None where it cannot be made."""
    places = re.findall(r"\{([\w-]+)\}", endpoint.path)
    params = {**_FILLS[turn], **{name: f"v{n}q{turn}" for n, name in enumerate(places)}}
    try:
        with frozen(turn):
            made = _instance(exchange, turn, key).sign(endpoint.path, list(endpoint.api), endpoint.method, params)
            urlsplit(made["url"])
            return dict(made)
    except Exception:  # noqa: BLE001 - ccxt raises what it likes where a parameter is missing: it is not listed then
        return None


@cache
def _instance(exchange: str, turn: int, key: str) -> Any:
    import ccxt

    given = credential(exchange, key)
    made = getattr(ccxt, exchange)(
        {name: text for name, text in given.items() if name not in uses.SECOND_KEYS or name == "twofa"}
    )
    if exchange in WITH_TOKEN:
        made.token = "t"
    made.rsa = lambda *_, **__: "signature"  # it is not looked at, and takes longer than all the rest
    for name in ("uid", "login", "accountId", "walletAddress"):
        if name in given:
            setattr(made, name, given[name][:-1] + str(turn))
    return made


def every(exchanges: Iterable[str]) -> Iterator[tuple[str, Calls]]:
    """The tables of all that the vault completes requests for."""
    for exchange in exchanges:
        if exchange not in JUDGED and borne(exchange):
            yield exchange, table(exchange)


def borne(exchange: str) -> bool:
    """Whether some of the exchange's requests have signatures or secrets that the vault puts in."""
    profile = uses.PROFILES[exchange]
    words = [use.split() for use in profile.uses]
    return profile.header is not None or any(bearable(one[0], one[1], one[3:] or [""]) for one in words)


def complaints(exchanges: Iterable[str]) -> list[str]:
    """Where ccxt asks otherwise than the record says: people look at that before it holds."""
    return [
        f"{exchange}: ccxt asks otherwise than citadel/calls.json says. Run make matrix ARGS=--record and look at what"
        " becomes allowed."
        for exchange, found in every(exchanges)
        if recorded().get(exchange) != found
    ]


def write(tables: Iterable[tuple[str, Calls]]) -> None:
    """Replace the record."""
    rows = ((exchange, {"headers": sorted(one.headers), "addresses": one.addresses}) for exchange, one in tables)
    lines = [f"  {json.dumps(exchange)}: {json.dumps(row)}" for exchange, row in rows]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")
