"""What trading does about news from below."""

from __future__ import annotations

from obscura.core.events import listens_to
from pools.events import PoolChanged
from trading import draws


@listens_to(PoolChanged)
def commit_to_draws(event: PoolChanged) -> None:
    """Whoever is about to trade before followers has committed to the order in which they are served."""
    if event.status == "active":
        draws.commit(event.pool_id)
