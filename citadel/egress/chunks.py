"""A chunk at the egress: counts its rows down and hands their results to whoever waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from citadel.domain.frames import pack
from citadel.egress.outcomes import executed
from obscura.core.wire import Answer, Settle

FLUSH_EVERY = 0.02
"""Seconds after which results are sent although more are to come: each set of them is a transaction of its own."""

FULL = 512 << 10
"""Bytes of bodies after which results are sent at once, so that a frame stays far below its limit."""


class Chunk:
    """Results in the order they come. `hand` is called with a frame and its number of results until `left` is 0.

    :param tell: called with every row's status, for the counts
    :param signer: where it is told which orders the venue did not execute in full; None: these are no orders
    """

    __slots__ = ("_bytes", "_hand", "_ident", "_loop", "_results", "_short", "_signer", "_tell", "_timer", "left")

    def __init__(
        self, *, ident: bytes, rows: int, hand: Callable[[bytes, int], None], tell: Callable[[int], None],
        signer: Callable[[bytes], None] | None = None,
    ) -> None:  # fmt: skip
        self._ident = ident
        self._hand, self._tell, self._signer = hand, tell, signer
        self._short: list[list[Any]] = []
        self._results: list[list[Any]] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.left = rows

    def settle(self, row: int) -> Settle:
        """What the pool calls when this row's request has ended."""
        return partial(self._settled, row)

    def _settled(self, row: int, answer: Answer) -> None:
        status, body, sent_ms, done_ms, headers = answer
        self._results.append([row, status, body, sent_ms, done_ms, headers or {}])
        self._bytes += len(body)
        self.left -= 1
        self._tell(status)
        if self._signer is not None:
            quantity = executed(status=status, body=body)
            if quantity is not None:
                self._short.append([row, quantity])
        if self.left == 0 or self._bytes > FULL:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_EVERY, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._short and self._signer is not None:
            # Before the results: whoever hears of a refusal may send the order again under the same id.
            self._signer(pack({"op": "ended", "chunk": self._ident, "rows": self._short}))
            self._short = []
        results, self._results = self._results, []
        self._bytes = 0
        self._hand(pack({"chunk": self._ident, "results": results, "left": self.left}), len(results))
