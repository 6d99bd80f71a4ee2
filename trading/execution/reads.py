"""Questions that our own processes ask an exchange through ccxt: each takes its weight from the buckets beforehand.

They share an address with orders. A question waits until there is room beside the part that closes may need, and for as
long as the exchange wants to hear nothing; how long is up to whoever asked, and is told.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from citadel import services as citadel
from citadel.client import Result
from obscura.core import log
from trading.execution import limits
from trading.execution.limits import Place

SHORTEST_S, LONGEST_S = 0.2, 10.0
TELL_AFTER_S = 5.0

_logger = log.get("reads")
_calm: ContextVar[bool] = ContextVar("trading_reads_calm", default=False)


@contextmanager
def calmly() -> Iterator[None]:
    """What is asked meanwhile is not urgent, and leaves most of a limit to all others."""
    token = _calm.set(True)
    try:
        yield
    finally:
        _calm.reset(token)


class Reads:
    """What `Sessions` asks before each request.

    :param kind: how much of a limit they may find used and still go (`limits.SHARES`)
    """

    def __init__(self, kind: str = limits.ASK) -> None:
        self.kind = kind

    def now(self) -> str:
        """The kind of what is asked now."""
        return limits.TRADES if _calm.get() else self.kind

    async def admit(self, *, environment: str, exchange: str, market: str, weight: int) -> None:
        """Take a place in the buckets; waits until there is one."""
        place, began, told = self._place(environment, exchange, market), time.monotonic(), False
        kind = self.now()
        while True:
            found = await asyncio.to_thread(limits.admit, place, kind, count=1, weight=weight)
            held = found.held(0)
            if held is None:
                return
            if not told and time.monotonic() - began > TELL_AFTER_S:
                told = True
                _logger.warning("reads.wait", place="|".join(place), weight=weight, reason=held.value)
            wait = min(max(found.wait_ms / 1000, SHORTEST_S), LONGEST_S)
            await asyncio.sleep(wait * random.uniform(1, 1.3))  # noqa: S311 - so that not all come back at once

    async def refused(self, *, environment: str, exchange: str, market: str, headers: Mapping[str, str]) -> None:
        """The exchange said 429 or 418: everybody is quiet for as long as it wants."""
        now = int(time.time() * 1000)
        answer = Result(0, 429, b"", now, now, {name.lower(): str(value) for name, value in headers.items()})
        place = self._place(environment, exchange, market)
        await asyncio.to_thread(limits.heed, place, [answer])

    def _place(self, environment: str, exchange: str, market: str) -> Place:
        addresses = citadel.egress_addresses()
        return Place(environment, exchange, market, addresses[0] if addresses else "")
