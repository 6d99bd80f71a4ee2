"""The signer's own record of what it did: an entry for each chunk, seal, key and kind of refusal, in a chain.

A chunk is noted as a small tuple; the chain is computed and journaled after the answers of a round have gone out. If a
death comes between, the journal has what the chunk took, and the next start records that its entry is missing.

The entries of the last while are kept in memory and in the journal, so a restart goes on where the last one stopped and
still hands out what nobody has fetched. Whoever fetches too late is told how many are gone.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from citadel.domain.trail import GENESIS, digest, moves_money

KEPT = 10_000
MOST_AT_A_TIME = 250
"""Entries in one answer: they fit into a frame, and keep the signer for less than a millisecond."""

GATHERED_MS = 1_000
"""What may come in any number, refusals and single payloads, becomes one entry of each kind in so long."""

MOVES = "? ? ? ? /withdraw"
"""What a request for a withdrawal is called where it cannot be told apart any more. It stays apart from all others."""

MOST_NAMED = 100
"""Tenants named in one entry, and kinds of refusal told apart in one second; the rest is summed up."""

_PATH = re.compile(r"/[A-Za-z0-9/_.-]{0,79}", re.ASCII)
_WORD64 = (1 << 64) - 1
_WORD = re.compile(r"[A-Za-z0-9_]{1,32}", re.ASCII)

Facts = dict[str, Any]
Entry = tuple[int, int, str, Facts, str, str]
"""Sequence, milliseconds, kind, facts, the digest before it, its digest."""


class Batch(NamedTuple):
    """A chunk as it is noted. Its entry has the SHA-256 of which mandate each row was signed under.

    :param parties: (tenant, subscription) of each row that was signed
    :param numbers: the mandates' numbers, in the order of `parties`
    :param sent: rows handed over
    :param refused: (row, code)
    """

    chunk: bytes
    place: tuple[str, str, str, str, str]
    parties: list[tuple[int, int]]
    numbers: list[int]
    sent: int
    refused: list[tuple[int, str]]
    unknown: int

    def facts(self) -> Facts:
        venue, market, env, method, path = self.place
        known = any(self.numbers)
        agreed = [
            part & _WORD64 if type(part) is int else 0  # what a caller gave as a subscription may be anything
            for (tenant, subscription), number in zip(self.parties, self.numbers, strict=True)
            for part in (tenant, subscription, number)
        ]
        return {
            "chunk": self.chunk.hex(), "venue": venue, "market": market, "env": env, "method": method, "path": path,
            "rows": self.sent, "signed": len(self.parties), "unknown": self.unknown,
            "refused": dict(Counter(code for _, code in self.refused)),
            "tenants": named(tenant for tenant, _ in self.parties),
            "mandates": hashlib.sha256(struct.pack(f">{len(agreed)}Q", *agreed)).hexdigest() if known else "",
        }  # fmt: skip


class Trail:
    """The record. `note` costs next to nothing; `settle` does the rest.

    :param record: writes one record to the journal
    :param kept: entries that can still be fetched
    """

    def __init__(self, record: Callable[[list[Any]], None], *, kept: int = KEPT) -> None:
        self._record = record
        self.chain, self.sequence, self._head = "", 0, GENESIS
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._noted: deque[tuple[int, str, Facts | Batch]] = deque()
        self._kept, self._dropped = kept, 0
        self._refused: Counter[tuple[str, str, str]] = Counter()
        self._payloads: Counter[int] = Counter()
        self._gathering = 0

    def note(self, kind: str, what: Facts | Batch, now_ms: int) -> None:
        """Remember that this was done."""
        if len(self._noted) >= self._kept:  # the journal cannot be written
            self._noted.popleft()
            self._dropped += 1
        self._noted.append((now_ms, kind, what))

    def refuse(self, op: object, code: str, now_ms: int, *, request: Mapping[str, Any] | None = None) -> None:
        """Count a refusal. Of what was sent, only names of the venue's are kept, and only where they look like ones."""
        self._gathering = self._gathering or now_ms
        asked = _request(request or {})
        key = (op if isinstance(op, str) and _WORD.fullmatch(op) else "?", code, asked)
        if key not in self._refused and len(self._refused) >= MOST_NAMED:
            key = ("*", code, MOVES if moves_money(asked) else "")
        self._refused[key] += 1

    def payload(self, tenant: int, now_ms: int) -> None:
        """Count a payload that was signed alone."""
        self._gathering = self._gathering or now_ms
        self._payloads[tenant] += 1

    def settle(self, now_ms: int, *, whole: bool = False) -> None:
        """Chain and journal what was noted.

        :param whole: what is still being gathered as well
        :raises OSError: the journal cannot be written; all of it stays noted
        """
        if self._gathering and (whole or now_ms - self._gathering >= GATHERED_MS):
            self._gather(now_ms)
        if not self._noted:
            return
        noted = list(self._noted)
        if self._dropped:
            noted.insert(0, (now_ms, "dropped", {"entries": self._dropped}))
        entries: list[Entry] = []
        sequence, previous = self.sequence, self._head
        for at, kind, what in noted:
            facts = what.facts() if isinstance(what, Batch) else what
            sequence += 1
            after = digest(chain=self.chain, sequence=sequence, at=at, kind=kind, facts=facts, previous=previous)
            entries.append((sequence, at, kind, facts, previous, after))
            previous = after
        self._record(["audit", self.chain, sequence, previous, entries])
        self._noted.clear()
        self._dropped = 0
        self.sequence, self._head = sequence, previous
        self._entries += entries

    def after(self, sequence: int) -> Facts:
        """Some of the entries after this one, oldest first, and how many of those that followed it are gone."""
        first = self._entries[0][0] if self._entries else self.sequence + 1
        skip = max(0, sequence + 1 - first)
        entries = list(islice(self._entries, skip, skip + MOST_AT_A_TIME))
        lost = max(0, first - sequence - 1)
        return {"chain": self.chain, "last": self.sequence, "lost": lost, "entries": entries}

    def rehearse(self, now_ms: int) -> None:
        """Make entries and forget them, and what was counted before: nothing is loaded for the first time later."""
        other = Trail(lambda _: None)
        other.payload(1, now_ms)
        other.refuse("send", "rehearsal", now_ms, request={"path": "/"})
        other.note("signed", Batch(bytes(16), ("", "", "", "", ""), [(1, 1)], [1], 1, [(0, "")], 0), now_ms)
        other.settle(now_ms, whole=True)
        self._refused.clear()
        self._gathering = 0

    # the journal
    def replay(self, chain: str, sequence: int, head: str, entries: list[list[Any]]) -> None:
        """Take in what an earlier run wrote."""
        self.chain, self.sequence, self._head = chain, sequence, head
        self._entries += [(one[0], one[1], one[2], one[3], one[4], one[5]) for one in entries]

    def begin(self) -> None:
        """After everything was replayed: where nothing was, this is a new chain."""
        self.chain = self.chain or os.urandom(16).hex()

    def snapshot(self) -> list[Any]:
        """All of it, as one record."""
        return ["audit", self.chain, self.sequence, self._head, list(self._entries)]

    def _gather(self, now_ms: int) -> None:
        for (op, code, asked), count in self._refused.items():
            facts: Facts = {"op": op, "code": code, "count": count}
            self.note("refused", facts | ({"request": asked} if asked else {}), now_ms)
        if self._payloads:
            count = self._payloads.total()
            self.note("payloads", {"count": count, "tenants": named(self._payloads.elements())}, now_ms)
        self._refused.clear()
        self._payloads.clear()
        self._gathering = 0


def named(tenants: Iterable[int]) -> dict[str, int]:
    """How often each tenant's id is among these; where they are too many, the rarest are summed up."""
    counted = Counter(tenants)
    most = sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:MOST_NAMED]
    shown = {str(tenant): count for tenant, count in most}
    others = counted.total() - sum(shown.values())
    return shown | ({"others": others} if others else {})


def _request(message: Mapping[str, Any]) -> str:
    """``binance spot paper POST /api/v3/order``, with "?" for what cannot be shown; empty where there is none of it."""
    if "path" not in message:
        return ""
    words = [message.get(name) for name in ("venue", "market", "env", "method")]
    shown = [word if isinstance(word, str) and _WORD.fullmatch(word) else "?" for word in words]
    path = message["path"]
    return " ".join([*shown, path if isinstance(path, str) and _PATH.fullmatch(path) else "?"])
