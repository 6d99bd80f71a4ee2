"""Ask the venue what accounts have: positions, balances and open orders, many accounts at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from django.conf import settings

from citadel.client import Chunk, Result
from obscura.core import clock
from trading.domain.drift import Place
from trading.execution import gate, limits
from trading.execution.accounts.checks import Account
from trading.execution.lane import lane
from trading.venues import binance

T = TypeVar("T")

WEIGHT: Mapping[str, int] = {"usdm": 5, "spot": 20}
"""What a question after everything an account holds weighs."""

ORDERS_WEIGHT: Mapping[str, int] = {"usdm": 1, "spot": 6}


def holdings(*, schema: str, market: str, accounts: Sequence[Account]) -> dict[str, dict[Place, Decimal]]:
    """By account, what it holds in a market; accounts for which the venue gave no answer are left out."""
    found = {}
    if market == "usdm":
        for account, body in _ask(schema, market, binance.POSITIONS_PATH, "", accounts).items():
            rows = _read(binance.read_positions, body)
            if rows is not None:
                found[account] = {(market, *place): qty for place, qty in rows.items()}
        return found
    for account, body in _ask(schema, market, binance.BALANCES_PATH, "omitZeroBalances=true&", accounts).items():
        assets = _read(binance.read_balances, body)
        if assets is not None:
            found[account] = {(market, asset, "BOTH"): qty for asset, qty in assets.items()}
    return found


def open_orders(*, schema: str, market: str, symbol: str, accounts: Sequence[Account]) -> dict[str, dict[str, Decimal]]:
    """By account, what is left of its open orders in a symbol, by client order id."""
    path, found = binance.OPEN_ORDERS_PATH[market], {}
    for account, body in _ask(schema, market, path, f"symbol={symbol}&", accounts).items():
        rows = _read(binance.read_open_orders, body)
        if rows is not None:
            found[account] = rows
    return found


def _read(read: Callable[..., T], body: bytes) -> T | None:
    try:
        return read(body=body)
    except ValueError:
        return None  # an answer that makes no sense is none


def _ask(schema: str, market: str, path: str, head: str, accounts: Sequence[Account]) -> dict[str, bytes]:
    groups = _admitted(schema, market, accounts)
    now, window = clock.millis(clock.now()), settings.COPY_RECV_WINDOW_MS
    heard: list[Result] = []
    chunks = [
        Chunk(
            venue=place.exchange,
            market=market,
            env=place.environment,
            method="GET",
            path=path,
            head=f"{head}recvWindow={window}".encode(),
            rows=[(number, UUID(account.id).bytes, f"&timestamp={now}".encode()) for number, account in members],
            not_after_ms=now + window // 2,
            timeout_ms=settings.COPY_HTTP_TIMEOUT_MS,
            address=place.address,
        )
        for place, members in groups.items()
    ]
    if chunks:
        sent = lane().send(schema=schema, chunks=chunks, on_results=heard.extend)
        sent.result(timeout=(settings.COPY_HTTP_TIMEOUT_MS + window) / 1000 + 2)
    for place, members in groups.items():
        mine = {number for number, _ in members}
        limits.heed(place, [answer for answer in heard if answer.row in mine])
    return {accounts[result.row].id: result.body for result in heard if result.status == 200}


def _admitted(schema: str, market: str, accounts: Sequence[Account]) -> dict[limits.Place, list[tuple[int, Account]]]:
    """Those that may be asked about now, by place; the others are looked at another time."""
    groups: dict[limits.Place, list[tuple[int, Account]]] = defaultdict(list)
    addresses = gate.addresses_of(schema, [account.id for account in accounts])
    for number, account in enumerate(accounts):
        where = limits.Place(account.environment, account.exchange, market, addresses[account.id])
        groups[where].append((number, account))
    for place, members in list(groups.items()):
        admitted = limits.admit(place, limits.TRADES, count=len(members), weight=WEIGHT[market])
        groups[place] = [one for at, one in enumerate(members) if admitted.held(at) is None]
        if not groups[place]:
            del groups[place]
    return groups
