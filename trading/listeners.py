"""What trading does about news from below. Each listener nudges and does nothing else."""

from __future__ import annotations

from obscura.core.events import listens_to
from obscura.core.nudge.send import nudge
from pools.events import PoolHalted, UserHalted
from tenants.events import TenantHalted
from tenants.scope import entered

TASK, QUEUE = "trading.close_halted", "critical"


@listens_to(TenantHalted)
def close_tenant(event: TenantHalted) -> None:
    """Everything open at a tenant is closed."""
    with entered(event.schema):
        nudge(TASK, queue=QUEUE)


@listens_to(PoolHalted)
def close_pool(event: PoolHalted) -> None:
    """Everything open in a pool is closed."""
    nudge(TASK, queue=QUEUE)


@listens_to(UserHalted)
def close_user(event: UserHalted) -> None:
    """Everything a follower holds is closed."""
    nudge("trading.close_user", queue=QUEUE, user_id=str(event.user_id))
