"""The egress's socket: workers say where results go, the signer delivers chunks, results stream back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from citadel.domain.frames import BadFrame, FrameTooLarge, Message, Splitter, pack, unpack
from citadel.egress.chunks import Chunk
from citadel.egress.cutting import cutting
from citadel.egress.prices import Prices
from citadel.egress.routes import Routes
from citadel.processes import Log, peer_uid
from obscura.core.wire import UNSENT, Answer

MAX_UNREAD = 64 << 20
"""Bytes of results a worker may leave unread before it is cut off."""


class Egress:
    """State shared by all connections: who hears which reply token, pools, counts."""

    def __init__(self, *, routes: Routes, signer_uids: frozenset[int], uids: frozenset[int], log: Log) -> None:
        self.routes, self.signer_uids, self.uids, self.log = routes, signer_uids, uids, log
        self.hearers: dict[bytes, Caller] = {}
        self.signers: set[Caller] = set()
        self.counts: Counter[str] = Counter()
        self.prices = Prices(routes=routes, tell=self._tell_signers)

    def deliver(self, message: Message, signer: Caller) -> None:
        """Send every row of a chunk once.

        A chunk for a token that nobody holds is not sent: its worker is gone, has written all of it down as unsure, and
        would never hear. One whose worker leaves later is finished; its results are dropped and counted.
        """
        chunk, reply, rows = message["chunk"], message["reply"], message["rows"]
        self.counts["chunks"] += 1
        if reply not in self.hearers:
            self.counts["orphans"] += len(rows)
            if message["orders"]:
                signer.write(pack({"op": "ended", "chunk": chunk, "rows": [[row, "0"] for row, _ in rows]}))
            return
        heard = signer.write if message["orders"] else None
        tracked = Chunk(ident=chunk, rows=len(rows), hand=self._hand_to(reply), tell=self._tell, signer=heard)
        route = (message["venue"], message["market"], message["env"], message["address"])
        pool = self.routes.pool(route)
        if pool is not None:
            self.prices.follow(route)
        else:
            answer = Answer(UNSENT, b"no_route", 0, int(time.time() * 1000), None)
            for row, _ in rows:
                tracked.settle(row)(answer)
            return
        timeout, not_after_ms, urgent = message["timeout_ms"] / 1000, message["not_after_ms"], message["urgent"]
        submit, settle = pool.submit, tracked.settle
        for row, request in rows:
            submit(request, settle(row), timeout=timeout, not_after_ms=not_after_ms, urgent=urgent)

    def carry(self, message: Message) -> None:
        """Send one request that the signer completed, and cut what it put in out of the answer."""
        self.counts["carried"] += 1
        reply = message["reply"]
        if reply not in self.hearers:
            self.counts["orphans"] += 1
            return
        settle = Chunk(ident=message["chunk"], rows=1, hand=self._hand_to(reply), tell=self._tell).settle(0)
        pool = self.routes.pool((message["exchange"], message["host"], message["env"], message["address"]))
        if pool is None:
            settle(Answer(UNSENT, b"no_route", 0, int(time.time() * 1000), None))
            return
        pool.submit(
            message["request"],
            cutting(settle, message["hide"]),
            timeout=message["timeout_ms"] / 1000,
            not_after_ms=message["not_after_ms"],
        )

    def stats(self) -> Message:
        return {
            "cpu_s": time.process_time(),
            "hearers": len(self.hearers),
            "log_lost": self.log.lost,
            "pools": self.routes.counts(),
            **{name: self.counts[name] for name in ("answered", "silent", "unsent", "dropped", "orphans")},
            "counts": dict(self.counts),
        }

    def _hand_to(self, reply: bytes) -> Callable[[bytes, int], None]:
        def hand(frame: bytes, results: int) -> None:
            hearer = self.hearers.get(reply)
            if hearer is None:
                self.counts["dropped"] += results
            else:
                hearer.write(frame)

        return hand

    def _tell_signers(self, frame: bytes) -> None:
        for signer in self.signers:
            signer.write(frame)

    def _tell(self, status: int) -> None:
        self.counts["answered" if status > 0 else "silent" if status == 0 else "unsent"] += 1


class Caller(asyncio.Protocol):
    """One connection, of a worker or of the signer."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None
        self._uid = -1
        self._tokens: set[bytes] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._uid = peer_uid(transport.get_extra_info("socket"))
        if self._uid not in self._egress.uids | self._egress.signer_uids:
            self._egress.log.line("caller_refused", uid=self._uid)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._egress.signers.discard(self)
        for token in self._tokens:
            if self._egress.hearers.get(token) is self:
                del self._egress.hearers[token]

    def data_received(self, data: bytes) -> None:
        try:
            bodies = self._splitter.feed(data)
        except FrameTooLarge as error:
            self._refuse(None, error.code)
            assert self._transport is not None
            self._transport.close()
            return
        for body in bodies:
            self._handle(body)

    def write(self, frame: bytes) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return  # whoever asked has left
        self._transport.write(frame)
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            self._egress.log.line("caller_cut_off", unread=self._transport.get_write_buffer_size())
            self._transport.abort()

    def _handle(self, body: bytes) -> None:
        ident: Any = None
        try:
            message = unpack(body)
        except BadFrame as error:
            self._refuse(None, error.code)
            return
        ident, op = message.get("id"), message.get("op")
        if op == "deliver":
            self._deliver(message)
        elif op == "carry":
            self._carry(message)
        elif type(ident) is not int:
            self._refuse(None, "bad_request")
        elif op == "hello":
            self._hello(ident, message)
        elif op == "ping":
            self.write(pack({"id": ident, "ok": True, "pong": True}))
        elif op == "stats":
            self.write(pack({"id": ident, "ok": True, **self._egress.stats()}))
        elif op == "warm":
            self._warm(ident, message)
        elif op == "attach":
            self._attach(ident)
        else:
            self._refuse(ident, "unknown_op")

    def _hello(self, ident: int, message: Message) -> None:
        token = message.get("reply")
        if not isinstance(token, bytes) or len(token) != 16:
            self._refuse(ident, "bad_fields")
        elif self._egress.hearers.get(token, self) is not self:
            self._refuse(ident, "token_taken")
        else:
            self._tokens.add(token)
            self._egress.hearers[token] = self
            self.write(pack({"id": ident, "ok": True}))

    def _attach(self, ident: int) -> None:
        """The signer listens for prices on this connection from now on."""
        if self._uid not in self._egress.signer_uids:
            self._refuse(ident, "signer_only")
            return
        self._egress.signers.add(self)
        for frame in self._egress.prices.everything():
            self.write(frame)

    def _warm(self, ident: int, message: Message) -> None:
        route, n = message.get("route"), message.get("n")
        if not isinstance(route, list) or len(route) != 4 or not all(isinstance(part, str) for part in route):
            self._refuse(ident, "bad_fields")
            return
        where = (route[0], route[1], route[2], route[3])
        pool = self._egress.routes.pool(where)
        if pool is None or type(n) is not int:
            self._refuse(ident, "no_route" if pool is None else "bad_fields")
            return
        self._egress.prices.follow(where)

        def warmed(task: asyncio.Task[int]) -> None:
            if not task.cancelled():
                self.write(pack({"id": ident, "ok": True, "open": task.result()}))

        task = asyncio.get_running_loop().create_task(pool.warm(n))
        task.add_done_callback(warmed)

    def _deliver(self, message: Message) -> None:
        if self._uid not in self._egress.signer_uids:
            self._refuse(None, "signer_only")
        elif not _is_chunk(message):
            self._refuse(None, "bad_fields")
        else:
            self._egress.deliver(message, self)

    def _carry(self, message: Message) -> None:
        if self._uid not in self._egress.signer_uids:
            self._refuse(None, "signer_only")
        elif not all(type(message.get(name)) is kind for name, kind in _CARRIED.items()):
            self._refuse(None, "bad_fields")
        else:
            self._egress.carry(message)

    def _refuse(self, ident: int | None, code: str) -> None:
        self._egress.counts[f"refused:{code}"] += 1
        self.write(pack({"id": ident, "ok": False, "code": code, "message": code.replace("_", " ")}))


_CHUNK = {
    "chunk": bytes, "reply": bytes, "venue": str, "market": str, "env": str, "address": str,
    "not_after_ms": int, "timeout_ms": int, "urgent": bool, "orders": bool, "rows": list,
}  # fmt: skip

_CARRIED = {
    "chunk": bytes, "reply": bytes, "exchange": str, "host": str, "env": str, "address": str,
    "not_after_ms": int, "timeout_ms": int, "request": bytes, "hide": list,
}  # fmt: skip


def _is_chunk(message: Message) -> bool:
    return all(type(message.get(name)) is kind for name, kind in _CHUNK.items()) and all(
        type(row) is list and len(row) == 2 and type(row[0]) is int and type(row[1]) is bytes for row in message["rows"]
    )
