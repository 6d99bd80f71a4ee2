"""Queue doors of signals and of the sentinel's recovery."""

from __future__ import annotations

from uuid import UUID

from obscura.core.nudge.send import nudged
from trading.signals import relay as relays


@nudged("trading.relay")
def relay(*, pool_id: str, external_id: str) -> None:
    """Write a curated pool's signal into each tenant that follows."""
    relays.relay(pool_id=UUID(pool_id), external_id=external_id)


@nudged("trading.group")
def group(*, account_id: str) -> None:
    """Make signals of a lead's part-filled orders whose time is over."""
    from pools import services as pools
    from trading.sentinel import ingest

    found = {one.account_id: one for one in pools.watched_accounts()}.get(UUID(account_id))
    if found is None:
        after = ingest.group(account_id=UUID(account_id))
    else:
        after = ingest.group(account_id=found.account_id, exchange=found.exchange, environment=found.environment)
    relays.send(after.relays)
