"""Which markets and symbols are in use: a configured few, what leads trade, and what followers hold."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from obscura.core import clock
from pools import services as pools
from tenants import scope
from trading.models import Holding, Signal

BASE = {"spot": ("BTCUSDT", "ETHUSDT"), "usdm": ("BTCUSDT", "ETHUSDT")}
RECENT = timedelta(days=1)

Symbols = Mapping[str, frozenset[str]]


def environments() -> frozenset[str]:
    """The environments in use: paper where there is a paper venue, live where a watched lead or nobody else asks."""
    found = {"paper"} if os.environ.get("OBSCURA_PAPER_TLS") else {"live"}
    for _ in scope.each(reason="market: environments of leads"):
        found |= {lead.environment for lead in pools.watched_accounts()}
    return frozenset(found)


def symbols() -> Symbols:
    """Symbols by market, over all tenants."""
    found: dict[str, set[str]] = defaultdict(set)
    for market, names in BASE.items():
        found[market].update(names)
    since = clock.now() - RECENT
    for _ in scope.each(reason="market: symbols in use"):
        held = Holding.objects.exclude(qty=0).values_list("market", "symbol")
        told = Signal.objects.filter(received_at__gte=since).values_list("market", "symbol")
        for market, symbol in {*held.distinct(), *told.distinct()}:
            found[market].add(symbol)
    return {market: frozenset(names) for market, names in found.items()}
