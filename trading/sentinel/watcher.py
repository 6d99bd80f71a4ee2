"""Watches one market of one lead account: stream first, then what was missed, then both for as long as it lives."""

from __future__ import annotations

import asyncio
import random
import time
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import ccxt
import redis
from django.db import DatabaseError, InterfaceError

from citadel import decoys
from citadel import services as citadel
from citadel.carry import Carrier
from citadel.client import ChunkSender, SignerClient, SignerRefused
from obscura.core import clock, log
from obscura.core.errors import Problem
from pools.types import WatchedLead
from tenants.models import Tenant
from trading.domain.intents import USDM
from trading.execution.reads import Reads
from trading.sentinel import book, ingest, marks, poller, stream, suspects, worth
from trading.sentinel.options import Options
from trading.sentinel.seen import SeenFill
from trading.sentinel.state import StreamState
from trading.sentinel.writer import Writer
from trading.signals import relay
from trading.venues.quirks import VENUES
from trading.venues.session import Sessions

_logger = log.get("watcher")

LOST = (ccxt.BaseError, Problem, OSError, TimeoutError)
"""What loses a stream and is no mistake of ours: try again."""


class Desk:
    """What all watchers of a process share."""

    def __init__(self, *, signer: SignerClient, sender: ChunkSender, options: Options) -> None:
        self.signer, self.sender, self.options = signer, sender, options
        self.decoys = decoys.install(signer)
        self.sessions = Sessions(gate=Reads(), carrier=Carrier(decoys=self.decoys, sender=sender))
        self.writer, self.relayer = Writer("writer"), Writer("relayer")
        self.prices = worth.Prices()


class Watcher:
    """One stream and the safety net under it. `run` until cancelled; `drain` afterwards writes what is still here."""

    def __init__(self, desk: Desk, tenant: Tenant, lead: WatchedLead, market: str) -> None:
        self.desk, self.tenant, self.lead, self.market = desk, tenant, lead, market
        self.state = StreamState(
            schema=tenant.schema_name,
            account=str(lead.account_id),
            exchange=lead.exchange,
            environment=lead.environment,
            market=market,
        )
        self._told: list[SeenFill] = []
        self._something = asyncio.Event()
        self._group_at: float | None = None
        self._promise: int | None = None
        self._doubtful = True  # a new connection: a trade may be missing though nothing has moved
        self._book_begun = False
        self._unexplained: set[str] = set()
        self._since: suspects.Held | None = None
        self._held: suspects.Held | None = None
        self._markets = tuple(one for one in lead.markets if (lead.exchange, one) in VENUES)
        self._levels: dict[str, int] = {}
        self._levels_told: dict[str, int] = {}
        self._levels_at: float | None = None
        self._logger = _logger.bind(tenant=tenant.schema_name, account=str(lead.account_id), market=market)

    @property
    def account_id(self) -> UUID:
        return self.lead.account_id

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._persist(partial(marks.begin, account_id=self.account_id, market=self.market, now=clock.now()))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write_on())
            tasks.create_task(self._stay_connected())

    async def drain(self) -> None:
        """Write what was told and not written yet, before the process ends."""
        if self._told:
            await self._write()

    # The stream

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._connected_once()
            except LOST as error:
                reason = getattr(error, "code", "") or type(error).__name__
                self._logger.warning("stream.lost", reason=reason)
                self.state.turn("waiting", reason)
            failures = 0 if time.monotonic() - began > self.desk.options.calm_s else failures + 1
            pause = min(self.desk.options.longest_pause_s, 0.05 * 2 ** min(failures, 10))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _connected_once(self) -> None:
        """A fresh exchange for each connection: what ccxt keeps of a broken one is not to be trusted."""
        self.state.turn("connecting")
        exchange = await self._exchange()
        watching: asyncio.Task[Any] | None = None
        try:
            stream.tap(exchange, market=self.market, on_fill=self._tell, on_leverage=self._tell_leverage)
            self._levels_at = None  # what changed while nobody listened
            watching = await stream.established(exchange, market=self.market)
            self.state.connects += 1
            self.state.turn("backfilling")
            self._doubtful = True
            await self._backfill(exchange)
            await self._begin_book(exchange)
            self.state.turn("live", "")
            await self._net(exchange, watching)
        finally:
            if watching is not None:
                await stream.ended(watching)
            # ccxt has a timer that renews the listen key: without one it does nothing.
            exchange.options["linear"] = {"listenKey": None, "lastAuthenticatedTime": 0}
            await self.desk.sessions.release(exchange)

    async def _begin_book(self, exchange: Any) -> None:
        """Find out what the account holds on futures, once in its life; until then no futures trade is understood.

        The stream stands and the backfill is done: whatever the answer has in it is here already, or comes.
        """
        if self.market != USDM or self._book_begun:
            return
        if not await self._persist(partial(book.known, self.account_id)):
            seen = await book.look(exchange)
            self._done(await self._persist(partial(self._understand, seen)), backfill=True)
        self._book_begun = True

    def _understand(self, seen: book.Seen) -> ingest.Ingested:
        book.begin(account_id=self.account_id, seen=seen)
        return self._ingest([])

    async def _net(self, exchange: Any, watching: asyncio.Task[Any]) -> None:
        """Ask every few seconds for what the stream should have told; end with the stream."""
        scanning = asyncio.create_task(self._scan(exchange))
        try:
            while True:
                pause = self.desk.options.poll_s * random.uniform(0.8, 1.2)
                done, _ = await asyncio.wait({watching, scanning}, timeout=pause, return_when=FIRST_COMPLETED)
                if done:
                    done.pop().result()  # raises why: neither ends by itself
                    return
                await self._backfill(exchange)
        finally:
            await stream.ended(scanning)

    async def _exchange(self) -> Any:
        account = self.account_id.bytes
        try:
            keys = self.desk.decoys.credentials(account, exchange=self.lead.exchange)
        except SignerRefused:  # a signer that was started since has nothing open
            await self._open_at_signer()
            keys = self.desk.decoys.credentials(account, exchange=self.lead.exchange)
        exchange = await self.desk.sessions.account(
            VENUES[(self.lead.exchange, self.market)].ccxt_id,
            self.lead.environment,
            api_key=keys["apiKey"],
            secret=keys["secret"],
            options={"watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}},
        )
        exchange.streaming = {**exchange.streaming, "keepAlive": self.desk.options.ping_ms}
        return exchange

    async def _open_at_signer(self) -> None:
        found = await self._persist(partial(citadel.envelopes_of, [self.account_id]))
        keys = await self._persist(citadel.wrapped_keys)
        account = self.account_id.bytes
        entries = [(tenant, account, sealed) for tenant, _, sealed in found]
        await asyncio.to_thread(self.desk.signer.open, entries, keys)

    # What was missed

    async def _backfill(self, exchange: Any) -> None:
        """Ask for the trades of every symbol in play, where anything has moved since that was done last.

        What the account holds is then reckoned up: a change that no trade explains makes every symbol suspect that
        could be behind it.
        """
        now = await suspects.held(exchange, market=self.market)
        before = self._held or await self._memory(partial(suspects.remembered, self.state.field), None)
        changed = before.changed(now) if before else set(now.amounts)
        if changed or before is None or self._doubtful:
            symbols = list(exchange.markets.values())
            more = suspects.likely(market=self.market, changed=changed, symbols=symbols)
            fills = await self._ask(exchange, await self._marks(more, before))
            if before is not None:
                assets = {row["id"]: (row["base"], row["quote"]) for row in symbols}
                open_questions = suspects.unexplained(
                    market=self.market, before=before, now=now, fills=fills, symbols=assets
                )
                if not self._unexplained:
                    self._since = before
                self._unexplained |= suspects.possible(changed=open_questions, symbols=symbols) - more
            self._doubtful = False
            self._held = now
            await self._remember()
        await self._measure(exchange, now)
        self.state.last_poll = time.time()

    async def _measure(self, exchange: Any, now: suspects.Held) -> None:
        """Note what the account is worth, and now and then its leverages: whoever copies by its share needs them."""
        try:
            await self._measured(exchange, now)
        except ccxt.BaseError as error:
            # Unknown after a while, which denies those who size by it; the stream goes on for everybody.
            self._logger.warning("account.unmeasured", error=type(error).__name__)

    async def _measured(self, exchange: Any, now: suspects.Held) -> None:
        at, where = clock.now(), {"schema": self.state.schema, "account_id": self.account_id}
        equity = now.margin
        if equity is None:
            assets = now.amounts.keys() - {worth.DOLLAR}
            prices = await self.desk.prices.of(self.lead.environment, exchange) if assets else {}
            equity = worth.valued(now.amounts, prices)
        said = {"market": self.market, "markets": self._markets, "equity": equity, "at": at}
        await self._memory(partial(worth.remember, **where, **said), None)
        if self.market == USDM and (self._levels_at is None or time.monotonic() - self._levels_at > worth.LEVERAGES_S):
            self._levels_told = {}
            found = await worth.leverages(exchange)
            # What the stream told meanwhile is newer than the answer may be.
            levels = found | self._levels_told
            await self._memory(partial(worth.remember_leverages, **where, levels=levels, at=at), None)
            self._levels_at = time.monotonic()

    async def _scan(self, exchange: Any) -> None:
        """Ask for every symbol that could be behind an unexplained change, slowly: the venue counts questions."""
        while True:
            if self._unexplained:
                self._logger.warning("holdings.unexplained", symbols=len(self._unexplained))
            for mark in await self._marks(self._unexplained, self._since) if self._unexplained else ():
                if mark.symbol in self._unexplained:
                    await self._ask(exchange, [mark])
                    self._unexplained.discard(mark.symbol)
                    await asyncio.sleep(self.desk.options.scan_pause_s)
                    if not self._unexplained:
                        await self._remember()
            await asyncio.sleep(1)

    async def _remember(self) -> None:
        """Note what is held for whoever comes after this process, once no question about it is open."""
        if self._held is not None and not self._unexplained:
            await self._memory(partial(suspects.remember, self.state.field, self._held), None)

    async def _marks(self, more: set[str], before: suspects.Held | None) -> list[marks.Mark]:
        wanted = partial(
            marks.in_play,
            account_id=self.account_id,
            market=self.market,
            trader_id=self.lead.trader_id,
            more=frozenset(more),
            known_until=before.at if before else None,
        )
        found: list[marks.Mark] = await self._persist(wanted)
        return found

    async def _ask(self, exchange: Any, wanted: list[marks.Mark]) -> list[SeenFill]:
        found: list[SeenFill] = []
        for mark in wanted:
            fills = await poller.trades(exchange, market=self.market, mark=mark)
            if fills:
                self._done(await self._persist(partial(self._advance, mark.symbol, fills)), backfill=True)
            found += fills
        return found

    def _advance(self, symbol: str, fills: list[SeenFill]) -> ingest.Ingested:
        return marks.advance(
            account_id=self.account_id,
            market=self.market,
            symbol=symbol,
            fills=fills,
            exchange=self.lead.exchange,
            environment=self.lead.environment,
            promised=self._promise,
        )

    async def _memory(self, work: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return await asyncio.to_thread(work)
        except redis.RedisError as error:
            # It only saves questions to the venue.
            self._logger.warning("memory.away", error=type(error).__name__)
            return otherwise

    # What was told

    def _tell(self, fill: SeenFill) -> None:
        self._told.append(fill)
        self._something.set()

    def _tell_leverage(self, symbol: str, leverage: int) -> None:
        self._levels[symbol] = self._levels_told[symbol] = leverage
        self._something.set()

    async def _write_on(self) -> None:
        """Write what was told as it comes, all that has come at once; look again at part-filled orders in time."""
        while True:
            wait = None if self._group_at is None else max(0.0, self._group_at - time.time())
            try:
                async with asyncio.timeout(wait):
                    await self._something.wait()
            except TimeoutError:
                self._group_at = None
            self._something.clear()
            await self._write()

    async def _write(self) -> None:
        fills, self._told = self._told, []
        if self._levels:
            # Before the fills: the lead changed it before it traded.
            levels, self._levels = self._levels, {}
            where = {"schema": self.state.schema, "account_id": self.account_id}
            await self._memory(partial(worth.change_leverages, **where, levels=levels), None)
        began = time.perf_counter()
        self._done(await self._persist(partial(self._ingest, fills)), backfill=False)
        if fills:
            self.state.last_fill = time.time()
            self.state.write_ms = round((time.perf_counter() - began) * 1000, 2)

    def _ingest(self, fills: list[SeenFill]) -> ingest.Ingested:
        return ingest.ingest(
            account_id=self.account_id,
            fills=fills,
            exchange=self.lead.exchange,
            environment=self.lead.environment,
            promised=self._promise,
        )

    def _done(self, found: ingest.Ingested, *, backfill: bool) -> None:
        self._promise = found.promise
        self.state.fills += found.new
        self.state.backfilled += found.new if backfill else 0
        if found.until is None:
            self._group_at = None
        else:
            self._group_at = found.until.timestamp()
            if backfill:
                self._something.set()  # the other task is asleep and knows no time yet
        if found.relays:
            # On a connection of its own: tenants that follow do not make the next fill wait.
            asyncio.ensure_future(self._relay(found.relays))

    async def _relay(self, relays: tuple[relay.Relay, ...]) -> None:
        try:
            await self.desk.relayer.run("public", partial(relay.send, relays))
        except (DatabaseError, InterfaceError) as error:
            self._logger.warning("relay.postponed", error=type(error).__name__)  # its promise is kept by the sweep

    async def _persist(self, work: Callable[[], Any]) -> Any:
        """Do database work, again until it is done: the fills in hand are in no other hand."""
        pause = 0.1
        while True:
            try:
                return await self.desk.writer.run(self.tenant, work)
            except (DatabaseError, InterfaceError) as error:
                self._logger.error("database.failed", error=type(error).__name__)
                self.state.problem = type(error).__name__
                await asyncio.sleep(pause)
                pause = min(5.0, pause * 2)
