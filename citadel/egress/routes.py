"""Where requests go, and from where: one pool of connections for each venue, market, environment and address of ours.

Pools are opened when first needed.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from citadel.domain import calls
from citadel.domain.policy import HOSTS
from obscura.core.wire import Pool

Route = tuple[str, str, str, str]
"""(venue, market, "paper" | "live", the address of ours, or empty for the first). Of an exchange that no policy reads,
the market is its host."""

WANTED = (
    "retry-after",
    "x-mbx-used-weight-1m",
    "x-mbx-order-count-10s",
    "x-mbx-order-count-1m",
    "x-mbx-order-count-1d",
)


class Routes:
    """Pools by route.

    Live goes to the exchange's own host over TLS with the system's trust. Paper goes to $OBSCURA_PAPER (host:port) in
    plain HTTP; the requests name the same host in both. No other address can be reached through here. Connections are
    opened from one of $OBSCURA_EGRESS_ADDRESSES and from no other; with none named the system chooses.
    """

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._size = int(env.get("OBSCURA_EGRESS_CONNECTIONS", "96"))
        named = env.get("OBSCURA_EGRESS_ADDRESSES", "")
        host, _, port = env.get("OBSCURA_PAPER", "").rpartition(":")
        self._paper = (host, int(port)) if host else None
        self._addresses = [str(ip_address(word.strip())) for word in named.split(",") if word.strip()]
        self._named = [
            tuple(word.strip().split(":")) for word in env.get("OBSCURA_EGRESS_MARKETS", "").split(",") if word
        ]
        self.prices_from = env.get("OBSCURA_EGRESS_PRICES_FROM", "").strip()
        self._pools: dict[Route, Pool] = {}
        self._trust: ssl.SSLContext | None = None

    def pool(self, route: Route) -> Pool | None:
        """The pool of a route; None where there is no such route or address, or no paper venue is configured."""
        pool = self._pools.get(route)
        if pool is None:
            pool = self._open(route)
            if pool is not None:
                self._pools[route] = pool
        return pool

    def at_once(self) -> list[Route]:
        """Routes of the markets that are followed before anything is sent there: those that are named, and paper's."""
        paper = [(venue, market, "paper") for venue, market in HOSTS] if self._paper is not None else []
        return [(one[0], one[1], one[2], "") for one in (*self._named, *paper) if len(one) == 3 and one[:2] in HOSTS]

    def counts(self) -> dict[str, dict[str, Any]]:
        """Connections and requests by ``venue:market:env``, with ``:address`` where one is named."""
        return {
            ":".join(filter(None, route)): {**pool.counts(), "took": list(pool.took)}
            for route, pool in self._pools.items()
        }

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.close()

    def _open(self, route: Route) -> Pool | None:
        venue, market, env, address = route
        name, port = _host_of(venue, market)
        if not name or (address and address not in (*self._addresses, self.prices_from)):
            return None
        local = address or (self._addresses[0] if self._addresses else "")
        if env == "live":
            self._trust = self._trust or ssl.create_default_context()
            return Pool(host=name, port=port, tls=self._trust, size=self._size, wanted=WANTED, local=local)
        if env == "paper" and self._paper is not None:
            host, port = self._paper
            return Pool(host=host, port=port, size=self._size, wanted=WANTED, local=local)
        return None


def _host_of(venue: str, market: str) -> tuple[str, int]:
    """Host and port of a route; an empty host: there is no such route."""
    found = HOSTS.get((venue, market)) or (market if market in calls.hosts(venue) else "")
    name, _, port = found.partition(":")
    return name, int(port or 443)
