"""The loop thread of an order worker: it gives chunks to the signer and hears results from the egress.

One event loop a process, started after the fork and kept for its life; the task thread gives it work and goes on.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any
from uuid import UUID

import uvloop
from django.db import connection

import citadel.services
import pools.services
from citadel.client import SILENCE, UNSENT, Chunk, ChunkSender, Result, SignerRefused, SignerUnavailable, WrappedKey
from obscura.core import log
from tenants import scope

_logger = log.get("lane")
_lock = threading.Lock()
_lanes: dict[int, Lane] = {}

OPEN_AT_ONCE = 250
WAIT_FOR_MARK_S, WAIT_FOR_VAULT_S = 0.2, 0.05

_TO_BE_GIVEN = (b"unknown_account", b"mandate_")
"""Codes of rows that may be signed once the signer has the account and its mandates as they are now."""

_TO_BE_HEARD = b"mark_unknown"
"""The code of an open whose symbol the egress has told no price of, as right after it has started."""

_AWAY = frozenset({b"signer_unavailable", b"egress_unavailable"})
"""Codes of rows that certainly never left, because a process of the vault is just being started again."""

PING_S, DEAF_S = 0.5, 2.0
"""How long a signer that may hang has for a word, and for how long it is believed to hang without one."""


class Lane:
    """This process's way to the venues."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._opened: set[str] = set()
        self._doubted, self._deaf_until = False, 0.0
        threading.Thread(target=self.loop.run_forever, name="lane", daemon=True).start()
        self._sender: ChunkSender = self.run(self._make()).result(timeout=5)

    async def _make(self) -> ChunkSender:
        return ChunkSender()

    def run(self, work: Any) -> Future[Any]:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def send(
        self, *, schema: str, chunks: Sequence[Chunk], on_results: Callable[[list[Result]], None], patient: bool = False
    ) -> Future[None]:
        """Send chunks side by side; `on_results` is called on the loop's thread with every row exactly once.

        :param patient: a vault that is away is waited for, for as long as a chunk may be sent
        """
        sent = self.run(self._send_all(schema, chunks, on_results, patient))
        sent.add_done_callback(_said)
        return sent

    async def _send_all(
        self, schema: str, chunks: Sequence[Chunk], on_results: Callable[..., None], patient: bool
    ) -> None:
        await asyncio.gather(*(self._send(schema, chunk, on_results, patient) for chunk in chunks))

    async def _send(self, schema: str, chunk: Chunk, on_results: Callable[[list[Result]], None], patient: bool) -> None:
        """Send a chunk, or, where it may wait and the signer hangs, end it as one that found no signer.

        What the signer did not know, it is given; such rows never left and go again, in this attempt.

        An account and its mandates are given once to a signer. A price that its egress has not heard yet is waited
        for, and so is the vault where that is wanted, for as long as the chunk may be sent.
        """
        opened: bool | None = None
        if not patient and await self._deaf():
            now = int(time.time() * 1000)
            on_results([Result(row[0], UNSENT, b"signer_unavailable", 0, now, {}) for row in chunk.rows])
            return
        while True:
            again: dict[int, bytes] = {}
            left_s = chunk.not_after_ms / 1000 - time.time()
            waits = _waited_for(left_s=left_s, patient=patient)

            def heard(results: list[Result], opened: bool | None = opened, waits: frozenset[bytes] = waits) -> None:
                kept = []
                for result in results:
                    self._doubted |= result.status == SILENCE and result.body == b"deadline"
                    told = _away(result) if opened is False else result
                    code = told.body if told.status == UNSENT else b""
                    if (opened is None and code.startswith(_TO_BE_GIVEN)) or code in waits:
                        again[told.row] = code  # noqa: B023 - called before the next round begins
                    else:
                        kept.append(told)
                if kept:
                    on_results(kept)

            await self._sender.send(chunk, on_results=heard)
            if not again:
                return
            chunk = chunk._replace(rows=[row for row in chunk.rows if row[0] in again])
            codes = set(again.values())
            if codes & _AWAY:
                opened = None  # whoever comes back knows no account
                await asyncio.sleep(WAIT_FOR_VAULT_S)
            elif codes == {_TO_BE_HEARD}:
                await asyncio.sleep(WAIT_FOR_MARK_S)
            else:
                opened = await self._open(schema, [row[1] for row in chunk.rows])

    async def _deaf(self) -> bool:
        """Whether the signer hangs: it takes what is sent and says nothing, until each chunk has had its time.

        One that hangs is asked nothing that can be asked later: whoever asks has other work.
        """
        if not self._doubted:
            return False
        if time.monotonic() < self._deaf_until:
            return True
        try:
            await self._sender.ping(timeout=PING_S)
        except SignerUnavailable:
            self._deaf_until = time.monotonic() + DEAF_S
            _logger.warning("lane.signer_hangs")
            return True
        except SignerRefused:
            pass  # it speaks
        self._doubted = False
        return False

    async def _open(self, schema: str, accounts: Sequence[bytes]) -> bool:
        """Open accounts in the signer, with their mandates. False when it could not be asked about all of them."""
        wanted = list(accounts)
        for attempt in (1, 2):
            entries, keys = await asyncio.to_thread(_envelopes, schema, [UUID(bytes=account) for account in wanted])
            rotated: list[bytes] = []
            for start in range(0, len(entries), OPEN_AT_ONCE):
                try:
                    refused = await self._sender.open(entries[start : start + OPEN_AT_ONCE], keys)
                except (SignerUnavailable, SignerRefused) as error:
                    _logger.warning("lane.signer", code=error.code)
                    return False
                for account, code in refused:
                    if code.startswith("key_version_") and attempt == 1:
                        rotated.append(account)  # wrapped anew between our reading and the signer's
                    else:
                        _logger.warning("lane.account_refused", code=code)
            wanted = rotated
            if not wanted:
                break
        return True

    def call(self, make: Callable[[ChunkSender], Awaitable[Any]]) -> Future[Any]:
        """Run something on the sender itself."""

        async def work() -> Any:
            return await make(self._sender)

        return self.run(work())


def _waited_for(*, left_s: float, patient: bool) -> frozenset[bytes]:
    """Codes of rows that go again after a pause, where there is time for it. None of them has left."""
    codes = {_TO_BE_HEARD} if left_s > WAIT_FOR_MARK_S else set()
    return frozenset(codes | _AWAY if patient and left_s > WAIT_FOR_VAULT_S else codes)


def _said(sent: Future[None]) -> None:
    """What nobody expected is said here: whoever waits for the flight hears silence, and the sweep asks the venue."""
    if not sent.cancelled() and (error := sent.exception()) is not None:
        _logger.error("lane.broken", error=type(error).__name__, exc_info=error)


def _away(result: Result) -> Result:
    if result.status == UNSENT and result.body.startswith(_TO_BE_GIVEN):
        # The signer itself was away: that says nothing about the keys, so these may be sent later.
        return result._replace(body=b"signer_unavailable")
    return result


_Entries = list[tuple[int, bytes, dict[str, str], list[bytes]]]


def _envelopes(schema: str, accounts: list[UUID]) -> tuple[_Entries, list[WrappedKey]]:
    with scope.entered(schema):
        try:
            # Envelopes before keys: a key that is made meanwhile is of no envelope that was read.
            envelopes = citadel.services.envelopes_of(account_ids=accounts)
            mandates = pools.services.mandates_of(accounts)
            entries = [
                (tenant, account.bytes, dict(sealed), mandates.get(account, []))
                for tenant, account, sealed in envelopes
            ]
            return entries, citadel.services.wrapped_keys()
        finally:
            connection.close()


def lane() -> Lane:
    """The lane of this process, made on first use and anew after a fork."""
    pid = os.getpid()
    found = _lanes.get(pid)
    if found is None:
        with _lock:
            found = _lanes.get(pid)
            if found is None:
                _lanes.clear()
                found = _lanes[pid] = Lane()
    return found
