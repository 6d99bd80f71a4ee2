"""`python -m trading.guard`: look after what is open, twice a second, until SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

LOOK_S = 0.5
LEADS_EVERY_S = 5.0


def run(stop: threading.Event) -> None:
    """Look after every tenant until `stop` is set. It keeps nothing: starting it again is the whole recovery."""
    import psycopg
    import redis
    from django.db import DatabaseError, InterfaceError, close_old_connections

    from obscura.core import alive, clock, log
    from tenants.scope import each
    from trading.guard.memory import Memory
    from trading.guard.round import Counts, look

    logger = log.get("guard")
    memory, learned, reported, facts = Memory(), 0.0, 0.0, Counts()
    while not stop.is_set():
        began = time.monotonic()
        try:
            if began - learned >= LEADS_EVERY_S:
                memory.learn_leads()
                learned = began
            memory.learn_streams()
            facts = Counts()
            for tenant in each(reason="protection of what is open"):
                found = look(tenant=tenant, memory=memory, now=clock.now())
                facts.add(found)
                if found.acted:
                    logger.info("guard.acted", schema=tenant.schema_name, **found.as_dict())
            if facts.blind:
                logger.warning("guard.blind", holdings=facts.blind)
            if time.monotonic() - reported >= alive.INTERVAL_S:
                alive.report("guard", **facts.as_dict())
                reported = time.monotonic()
        except (DatabaseError, InterfaceError, psycopg.Error, redis.RedisError) as error:
            # Without prices or rows nothing is decided; what was decided is in the rows.
            logger.error("guard.waits", error=type(error).__name__)
        close_old_connections()
        stop.wait(max(0.05, LOOK_S - (time.monotonic() - began)))


def main() -> int:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obscura.settings.local")
    django.setup()
    from obscura.core import log

    log.configure("guard")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
