"""Symbols in which a lead may have traded unseen, read from what its account holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from obscura.core import clock, redis_clients
from trading.domain.intents import BUY, SPOT
from trading.sentinel.seen import SeenFill

KEY = "obscura:held"
"""Hash: what each watched account held when all its trades were known. Losing it makes more symbols suspects."""


ROUNDING = Decimal("0.0000001")
"""What the venue's own rounding of an amount may differ from ours, for each trade."""


@dataclass(frozen=True, slots=True)
class Held:
    """Amounts by asset; on futures also positions, by ``SYMBOL:SIDE``. `at` is the venue's time of the last change.

    :param margin: on futures, what all of it is worth in USD with what is open
    """

    amounts: Mapping[str, str]
    at: datetime
    margin: Decimal | None = None

    def amount(self, name: str) -> Decimal:
        """How much of it."""
        return Decimal(self.amounts.get(name, 0))

    def changed(self, now: Held) -> set[str]:
        """What is not as it was."""
        names = self.amounts.keys() | now.amounts.keys()
        return {one for one in names if self.amount(one) != now.amount(one)}


async def held(exchange: Any, *, market: str) -> Held:
    """What the account holds."""
    if market == SPOT:
        answer = await exchange.private_get_account({"omitZeroBalances": "true"})
        amounts = {row["asset"]: str(Decimal(row["free"]) + Decimal(row["locked"])) for row in answer["balances"]}
        return Held(amounts, clock.from_millis(int(answer.get("updateTime") or 0)))
    answer = await exchange.fapiprivatev3_get_account()
    amounts = {row["asset"]: row["walletBalance"] for row in answer["assets"]}
    amounts |= {f"{row['symbol']}:{row['positionSide']}": row["positionAmt"] for row in answer["positions"]}
    at = max((int(row.get("updateTime") or 0) for row in answer["assets"]), default=0)
    kept = {name: amount for name, amount in amounts.items() if Decimal(amount)}
    return Held(kept, clock.from_millis(at), Decimal(answer["totalMarginBalance"]))


def unexplained(
    *, market: str, before: Held, now: Held, fills: Iterable[SeenFill], symbols: Mapping[str, tuple[str, str]]
) -> set[str]:
    """What changed by more than these trades account for: somebody traded, paid in or out, or was charged.

    :param fills: every known trade since `before`; earlier and later ones are passed over
    :param symbols: base and quote asset by the venue's symbol
    """
    moved: dict[str, Decimal] = defaultdict(Decimal)
    count = 1
    for fill in fills:
        if before.at < fill.at <= now.at:
            count += 1
            for name, amount in _moves(market, fill, *symbols.get(fill.symbol, ("", ""))):
                moved[name] += amount
    names = before.changed(now) | moved.keys()
    return {one for one in names if abs(now.amount(one) - before.amount(one) - moved[one]) > ROUNDING * count}


def _moves(market: str, fill: SeenFill, base: str, quote: str) -> list[tuple[str, Decimal]]:
    way = 1 if fill.side == BUY else -1
    if market == SPOT:
        traded = [(base, way * fill.qty), (quote, -way * fill.qty * fill.price)]
    else:
        traded = [(f"{fill.symbol}:{fill.position_side}", way * fill.qty), (quote, fill.realised)]
    return [*traded, (fill.fee_asset or quote, -fill.fee)]


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
