"""The sentinel process: one event loop, a watcher for each market of each lead account of every tenant."""

from __future__ import annotations

import asyncio
import signal
from typing import NamedTuple
from uuid import UUID

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from citadel.client import ChunkSender, SignerClient
from obscura.core import alive, log
from pools import services as pools
from pools.types import WatchedLead
from tenants.models import Tenant
from tenants.scope import each
from trading.sentinel import state
from trading.sentinel.options import Options
from trading.sentinel.stream import ended
from trading.sentinel.watcher import Desk, Watcher
from trading.sentinel.writer import Writer
from trading.venues.quirks import VENUES

SIGNER_PATIENCE_S = 0.5
"""The loop stands still that long when the signer does; what waits is asked for again afterwards."""

DRAIN_LIMIT_S = 5.0

_logger = log.get("sentinel")


class Place(NamedTuple):
    """One stream to be watched."""

    schema: str
    account_id: UUID
    market: str


class Wanted(NamedTuple):
    """Who is to be watched, and for whom."""

    tenant: Tenant
    lead: WatchedLead


class Supervisor:
    """Starts a watcher for whoever leads and stops those of whoever does not any more."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options.read()
        self.running: dict[Place, tuple[Watcher, asyncio.Task[None]]] = {}
        self._looker = Writer("looker")
        self._gone: list[str] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set, then write what is in hand and end."""
        signer = SignerClient(run_dir=settings.RUN_DIR, timeout=SIGNER_PATIENCE_S)
        sender = ChunkSender(run_dir=settings.RUN_DIR)
        self.desk = Desk(signer=signer, sender=sender, options=self.options)
        telling = asyncio.create_task(self._tell())
        while not stop.is_set():
            try:
                await self._look()
            except (DatabaseError, InterfaceError) as error:
                _logger.error("sentinel.blind", error=type(error).__name__)
            try:
                async with asyncio.timeout(self.options.look_s):
                    await stop.wait()
            except TimeoutError:
                continue
        await ended(telling)
        await self._end()

    async def _look(self) -> None:
        wanted = await self._looker.run("public", _wanted)
        for place in self.running.keys() - wanted.keys():
            await self._stop(place)
        for place, (watcher, task) in list(self.running.items()):
            if task.done():  # a mistake in our code: said with its traceback, and tried again
                _logger.error("watcher.died", market=watcher.market, exc_info=task.exception())
                self.running.pop(place)
        for place, (tenant, lead) in wanted.items():
            if place not in self.running:
                watcher = Watcher(self.desk, tenant, lead, place.market)
                self.running[place] = (watcher, asyncio.create_task(watcher.run()))

    async def _stop(self, place: Place) -> None:
        watcher, task = self.running.pop(place)
        await ended(task)
        await watcher.drain()
        self._gone.append(watcher.state.field)

    async def _tell(self) -> None:
        while True:
            gone, self._gone = self._gone, []
            states = [watcher.state for watcher, _ in self.running.values()]
            live = sum(one.state == "live" for one in states)
            await asyncio.to_thread(_publish, states, gone, live)
            await asyncio.sleep(min(alive.INTERVAL_S, self.options.look_s))

    async def _end(self) -> None:
        for _, task in self.running.values():
            task.cancel()
        try:
            async with asyncio.timeout(DRAIN_LIMIT_S):
                for place in list(self.running):
                    await self._stop(place)
        except TimeoutError:
            # What is left is asked for by the backfill of whoever comes next.
            _logger.warning("sentinel.undrained", streams=len(self.running))
        await asyncio.to_thread(state.publish, [], self._gone)
        await self.desk.sessions.close()
        for writer in (self.desk.writer, self.desk.relayer, self._looker):
            await writer.close()
        await self.desk.sender.close()
        self.desk.signer.close()


def _publish(states: list[state.StreamState], gone: list[str], live: int) -> None:
    state.publish(states, gone)
    try:
        alive.report("sentinel", streams=len(states), live=live)
    except redis.RedisError as error:
        _logger.warning("sentinel.unreported", error=type(error).__name__)


def _wanted() -> dict[Place, Wanted]:
    found: dict[Place, Wanted] = {}
    for tenant in each(reason="lead accounts to watch"):
        for lead in pools.watched_accounts():
            for market in lead.markets:
                if (lead.exchange, market) in VENUES:
                    found[Place(tenant.schema_name, lead.account_id, market)] = Wanted(tenant, lead)
    return found


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Supervisor().run(stop)
