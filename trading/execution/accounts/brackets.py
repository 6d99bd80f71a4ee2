"""Fetch leverage brackets: the venue tells them to whoever has an account, and they are the same for all."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings

import citadel.services
from citadel.client import Chunk, Result
from citadel.types import AccountRef
from obscura.core import clock
from obscura.core.errors import Unavailable
from obscura.core.ratelimit import Rate, take
from tenants import scope
from tenants.scope import current
from trading.execution import gate, limits
from trading.execution.lane import lane
from trading.execution.limits import Place
from trading.market import cache, wanted
from trading.venues import binance

EXCHANGE, MARKET = "binance", "usdm"
REFRESH_S = 24 * 3600.0
AT_ONCE = 20
BUDGET = Rate(limit=120, seconds=60)


class BracketsUnknown(Unavailable):
    """The exchange did not tell its leverage brackets."""

    code = "brackets_unknown"


def fetch(*, schema: str, account_id: UUID, environment: str, exchange: str, symbol: str) -> None:
    """Ask the venue for the brackets of a symbol through this account, unless they are known by now.

    :raises BracketsUnknown: it did not answer
    """
    where = {"environment": environment, "exchange": exchange, "market": MARKET}
    if cache.brackets_age_s(**where).get(symbol, REFRESH_S) < REFRESH_S:
        return
    address = gate.addresses_of(schema, [str(account_id)])[str(account_id)]
    place = Place(environment, exchange, MARKET, address)
    if limits.admit(place, limits.ASK, count=1, weight=1).held(0) is not None:
        raise BracketsUnknown
    if not take(f"brackets:{environment}:{exchange}", rate=BUDGET).allowed:
        raise BracketsUnknown
    now, window = clock.millis(clock.now()), settings.COPY_RECV_WINDOW_MS
    heard: list[Result] = []
    chunk = Chunk(
        venue=exchange,
        market=MARKET,
        env=environment,
        method="GET",
        path=binance.BRACKETS_PATH,
        head=binance.question(symbol=symbol, recv_window_ms=window),
        rows=[(0, account_id.bytes, f"&timestamp={now}".encode())],
        not_after_ms=now + window // 2,
        timeout_ms=settings.COPY_HTTP_TIMEOUT_MS,
        address=address,
    )
    sent = lane().send(schema=schema, chunks=[chunk], on_results=heard.extend)
    sent.result(timeout=(settings.COPY_HTTP_TIMEOUT_MS + window) / 1000 + 2)
    limits.heed(place, heard)
    [answer] = heard
    if answer.status != 200:
        raise BracketsUnknown(details={"status": answer.status})
    try:
        rows = binance.read_brackets(body=answer.body, symbol=symbol)
    except ValueError as error:
        raise BracketsUnknown from error
    cache.put_brackets(**where, symbol=symbol, rows=rows)


def learn(*, account_id: UUID) -> int:
    """Fetch through this account of the present tenant what is not known of the symbols in use. Returns how many.

    An account that may not ask is no trouble: `refresh` finds another.
    """
    account = citadel.services.account(account_id=account_id)
    if account.status != "active" or account.exchange != EXCHANGE:
        return 0
    due = _due(frozenset({account.environment})).get(account.environment, [])[:AT_ONCE]
    return _fetch_each(current(), account, due)


def refresh() -> int:
    """Fetch what is a day old or was never fetched of the symbols in use, through whichever account there is.

    Returns of how many symbols the venue told; a few at a time, so that the rest comes with the next rounds.
    """
    asked = 0
    due = _due(wanted.environments())
    for tenant in scope.each(reason="leverage brackets") if due else ():
        for environment, symbols in due.items():
            account = citadel.services.some_account(exchange=EXCHANGE, environment=environment)
            if account is None:
                continue
            part, symbols[:] = symbols[: AT_ONCE - asked], symbols[AT_ONCE - asked :]
            told = _fetch_each(str(tenant.schema_name), account, part)
            symbols += part[told:]  # another tenant's key is asked next, or the next round comes back
            asked += told
    return asked


def _fetch_each(schema: str, account: AccountRef, symbols: Sequence[str]) -> int:
    """Fetch until the venue does not answer. Returns of how many it told."""
    for told, symbol in enumerate(symbols):
        try:
            fetch(
                schema=schema,
                account_id=account.id,
                environment=account.environment,
                exchange=account.exchange,
                symbol=symbol,
            )
        except BracketsUnknown:
            return told
    return len(symbols)


def _due(environments: frozenset[str]) -> dict[str, list[str]]:
    symbols = wanted.symbols().get(MARKET, frozenset())
    found = {}
    for environment in environments:
        ages = cache.brackets_age_s(environment=environment, exchange=EXCHANGE, market=MARKET)
        due = [symbol for symbol in sorted(symbols) if ages.get(symbol, REFRESH_S) >= REFRESH_S]
        if due:
            found[environment] = due
    return found
