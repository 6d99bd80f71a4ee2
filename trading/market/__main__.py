"""`python -m trading.market`: keep the prices and rules of everything in use where every process can read them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import uvloop

LOOK_S = 5.0


async def run() -> None:
    """Follow every market of every environment in use until SIGTERM."""
    from obscura.core import alive, log, redis_clients
    from trading.execution import limits
    from trading.execution.reads import Reads
    from trading.market import wanted
    from trading.market.feed import Feed
    from trading.venues.quirks import VENUES
    from trading.venues.session import Sessions

    logger = log.get("market")
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reporting = asyncio.create_task(alive.in_loop("market"))
    # Without rules nothing is opened in a market, so they are asked for before what they make possible.
    sessions, client = Sessions(gate=Reads(limits.CRITICAL)), redis_clients.aio()
    symbols: dict[str, frozenset[str]] = {market: frozenset(names) for market, names in wanted.BASE.items()}
    feeds: dict[tuple[str, str, str], asyncio.Task[Any]] = {}

    async def look() -> None:
        """Begin to follow what came into use. Prices go on while the database is away."""
        from django.db import DatabaseError, InterfaceError, close_old_connections

        while True:
            try:
                found, used = await asyncio.gather(
                    asyncio.to_thread(_closing, wanted.symbols), asyncio.to_thread(_closing, wanted.environments)
                )
            except (DatabaseError, InterfaceError) as error:
                logger.warning("market.unlooked", error=type(error).__name__)
            else:
                symbols.update(found)
                for environment in used:
                    for name, venue in VENUES.items():
                        if (environment, *name) not in feeds:
                            feed = Feed(
                                environment=environment,
                                venue=venue,
                                sessions=sessions,
                                client=client,
                                wanted=lambda market=venue.market: symbols.get(market, frozenset()),
                            )
                            feeds[(environment, *name)] = loop.create_task(feed.run())
            close_old_connections()
            await asyncio.sleep(LOOK_S)

    looking = loop.create_task(look())
    await stop.wait()
    for task in (reporting, looking, *feeds.values()):
        task.cancel()
    await asyncio.gather(reporting, looking, *feeds.values(), return_exceptions=True)
    await sessions.close()
    await client.aclose()


def _closing(work: Any) -> Any:
    """Run in a pool thread, whose connection must not outlive the look."""
    from django.db import connections

    try:
        return work()
    finally:
        connections.close_all()


def main() -> int:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obscura.settings.local")
    django.setup()
    from obscura.core import log

    log.configure("market")
    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
