"""Symbols in which a lead may have traded unseen, read from what its account holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from obscura.core import redis_clients
from trading.domain.intents import SPOT

KEY = "obscura:held"
"""Hash: what each watched account held when all its trades were known. Losing it makes more symbols suspects."""


@dataclass(frozen=True, slots=True)
class Held:
    """Amounts by asset; on futures also positions, by ``SYMBOL:SIDE``. `at` is before the venue was asked."""

    amounts: Mapping[str, str]
    at: datetime

    def changed(self, now: Held) -> set[str]:
        """What is not as it was."""
        names = self.amounts.keys() | now.amounts.keys()
        return {one for one in names if Decimal(self.amounts.get(one, 0)) != Decimal(now.amounts.get(one, 0))}


async def held(exchange: Any, *, market: str, at: datetime) -> Held:
    """What the account holds."""
    if market == SPOT:
        answer = await exchange.private_get_account({"omitZeroBalances": "true"})
        return Held({row["asset"]: _sum(row["free"], row["locked"]) for row in answer["balances"]}, at)
    answer = await exchange.fapiprivatev3_get_account()
    amounts = {row["asset"]: row["walletBalance"] for row in answer["assets"]}
    amounts |= {f"{row['symbol']}:{row['positionSide']}": row["positionAmt"] for row in answer["positions"]}
    return Held({name: amount for name, amount in amounts.items() if Decimal(amount)}, at)


def likely(*, market: str, changed: set[str], symbols: Iterable[Mapping[str, Any]]) -> set[str]:
    """Symbols that a change of these holdings points to.

    :param symbols: the venue's symbols, as ccxt lists them
    """
    if market == SPOT:
        return {row["id"] for row in symbols if row["base"] in changed and row["quote"] in changed}
    return {name.partition(":")[0] for name in changed if ":" in name}


def possible(*, changed: set[str], symbols: Iterable[Mapping[str, Any]]) -> set[str]:
    """Every symbol that could be behind it: a round trip leaves its trace in the quote asset alone."""
    return {row["id"] for row in symbols if row["active"] and (row["base"] in changed or row["quote"] in changed)}


def remembered(field: str) -> Held | None:
    """What was held when last noted."""
    body = redis_clients.sync().hget(KEY, field)
    if not body:
        return None
    row = orjson.loads(body)
    return Held(row["amounts"], datetime.fromisoformat(row["at"]))


def remember(field: str, now: Held) -> None:
    """Note what is held; every trade up to it is known."""
    body = orjson.dumps({"amounts": dict(now.amounts), "at": now.at.isoformat()})
    redis_clients.sync().hset(KEY, field, body)


def _sum(free: str, locked: str) -> str:
    return str(Decimal(free) + Decimal(locked))
