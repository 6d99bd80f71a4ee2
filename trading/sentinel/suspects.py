"""Symbols in which a lead may have traded unseen, read from what its account holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from obscura.core import redis_clients
from trading.domain.intents import SPOT

KEY = "obscura:held"
"""Hash: what each watched account held when all its trades were known. Losing it makes more symbols suspects."""

Held = Mapping[str, str]


async def held(exchange: Any, *, market: str) -> dict[str, str]:
    """What the account holds: amounts by asset (spot), or position amounts by symbol (USD-M)."""
    if market == SPOT:
        answer = await exchange.private_get_account({"omitZeroBalances": "true"})
        return {row["asset"]: str(Decimal(row["free"]) + Decimal(row["locked"])) for row in answer["balances"]}
    rows = await exchange.fapiprivatev3_get_positionrisk()
    return {f"{row['symbol']}": row["positionAmt"] for row in rows if Decimal(row["positionAmt"])}


def suspects(*, market: str, before: Held | None, now: Held, symbols: Iterable[Mapping[str, Any]]) -> set[str]:
    """Symbols whose trading could have turned what was held before into what is held now.

    :param before: None where it is not known; then everything that is held is suspect
    :param symbols: the venue's symbols, as ccxt lists them
    """
    past = before or {}
    changed = {name for name in past.keys() | now.keys() if Decimal(past.get(name, 0)) != Decimal(now.get(name, 0))}
    if market != SPOT:
        return changed
    return {row["id"] for row in symbols if row["base"] in changed and row["quote"] in changed}


def remembered(field: str) -> dict[str, str] | None:
    """What was held when last noted."""
    body = redis_clients.sync().hget(KEY, field)
    return orjson.loads(body) if body else None


def remember(field: str, now: Held) -> None:
    """Note what is held; every trade up to it is known."""
    redis_clients.sync().hset(KEY, field, orjson.dumps(dict(now)))
