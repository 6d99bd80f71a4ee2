"""A recorded market, replayed as if it happened now, again and again."""

from __future__ import annotations

import asyncio
import gzip
import heapq
import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from ..exchange import Key
from ..symbols import SPOT, USDM
from ..tape import Tape
from . import frames

FILES = re.compile(r"(spot|usdm)_([a-z0-9]+usdt)_\d{8}\.gz\Z")
QUANTUM = 0.005  # seconds; frames closer together than this are fed in one go
SNAPSHOT_WITHIN = 2_000  # lines
STEP_ASIDE = 200  # frames after which orders get their turn

Line = tuple[int, str, str, bytes]  # local ns, market, symbol, frame


def files(data: Path) -> dict[Key, Path]:
    """The recordings in a data folder: `market/{spot,usdm}_{symbol}_{date}.gz`."""
    found = {}
    for path in sorted((data / "market").glob("*.gz")):
        name = FILES.match(path.name)
        if name:
            found[SPOT if name[1] == "spot" else USDM, name[2].upper()] = path
    return found


def read(key: Key, path: Path) -> Iterator[Line]:
    """Lines of `<local_ns> {"stream": .., "data": {..}}`; a cut-off end of file ends the recording."""
    with gzip.open(path, "rb") as lines:
        try:
            for line in lines:
                at, _, frame = line.partition(b" ")
                if frame.strip():
                    yield int(at), key[0], key[1], frame
        except EOFError:
            return


class Capture:
    """Plays all recordings of a folder on one clock.

    Trade ids go on rising over the loops. When a loop ends the next recording's snapshot replaces the books,
    so that a step in price there is a step in the venue's market too.
    """

    name = "capture"

    def __init__(self, tape: Tape, data: Path) -> None:
        self.tape, self.files = tape, files(data)
        if not self.files:
            raise FileNotFoundError(f"no recordings in {data / 'market'}: use --market synthetic")
        self.loops = 0
        self._last: dict[Key, int] = {}
        self._shift: dict[Key, int] = {}
        for key, path in self.files.items():
            self._open(key, path)

    def _open(self, key: Key, path: Path) -> None:
        """Show the recording's first snapshot at once, so that the market is open when the venue is."""
        for _, _, _, frame in itertools.islice(read(key, path), SNAPSHOT_WITHIN):
            message = orjson.loads(frame)
            if "lastUpdateId" in message:
                frames.snapshot(self.tape, key, message)
                return

    async def run(self) -> None:
        while True:
            await self._play()
            self.loops += 1

    async def _play(self) -> None:
        self._shift.clear()
        began, first = time.monotonic(), None
        merged = heapq.merge(*(read(key, path) for key, path in self.files.items()))
        # Decompressing is lazy, so that two hundred thousand frames never stand in memory.
        for fed, (at, market, symbol, frame) in enumerate(merged):
            first = at if first is None else first
            wait = began + (at - first) / 1e9 - time.monotonic()
            if wait > QUANTUM:
                await asyncio.sleep(wait)
            elif fed % STEP_ASIDE == 0:
                await asyncio.sleep(0)
            self._feed((market, symbol), orjson.loads(frame), at)

    def _feed(self, key: Key, message: dict, at_ns: int) -> None:
        if "lastUpdateId" in message:
            frames.snapshot(self.tape, key, message)
            return
        data = message["data"]
        if data.get("e") == "trade" and key not in self._shift:
            self._shift[key] = max(0, self._last.get(key, 0) + 1 - data["t"])
        shift = self._shift.get(key, 0)
        id = frames.take(
            self.tape, key[0], data, time.time_ns() // 1_000_000 - data.get("T", at_ns // 1_000_000), shift
        )
        if id:
            self._last[key] = id + shift
