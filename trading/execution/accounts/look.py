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
from trading.execution import hush
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
    groups: dict[tuple[str, str], list[tuple[int, Account]]] = defaultdict(list)
    for number, account in enumerate(accounts):
        if not hush.hushed(environment=account.environment, exchange=account.exchange, market=market):
            groups[account.exchange, account.environment].append((number, account))
    now, window = clock.millis(clock.now()), settings.COPY_RECV_WINDOW_MS
    heard: list[Result] = []
    chunks = [
        Chunk(
            venue=exchange,
            market=market,
            env=environment,
            method="GET",
            path=path,
            head=f"{head}recvWindow={window}".encode(),
            rows=[(number, UUID(account.id).bytes, f"&timestamp={now}".encode()) for number, account in members],
            not_after_ms=now + window // 2,
            timeout_ms=settings.COPY_HTTP_TIMEOUT_MS,
        )
        for (exchange, environment), members in groups.items()
    ]
    if chunks:
        sent = lane().send(schema=schema, chunks=chunks, on_results=heard.extend)
        sent.result(timeout=(settings.COPY_HTTP_TIMEOUT_MS + window) / 1000 + 2)
    for chunk in chunks:
        hush.heed(heard, environment=chunk.env, exchange=chunk.venue, market=market)
    return {accounts[result.row].id: result.body for result in heard if result.status == 200}
