"""What trading does about news from below. Each listener nudges or calls one service and does nothing else."""

from __future__ import annotations

from citadel.events import AccountActivated, AccountCheckDue, AccountSealed
from obscura.core.events import listens_to
from obscura.core.nudge.send import nudge
from pools.events import PoolChanged, PoolHalted, UserHalted
from tenants.events import TenantHalted
from tenants.scope import entered
from trading import draws

TASK, QUEUE = "trading.close_halted", "critical"


@listens_to(PoolChanged)
def commit_to_draws(event: PoolChanged) -> None:
    """Whoever is about to trade before followers has committed to the order in which they are served."""
    if event.status == "active":
        draws.commit(event.pool_id)


@listens_to(AccountActivated)
def learn_brackets(event: AccountActivated) -> None:
    """Through an account that may trade, what only accounts are told can be learnt before anybody needs it."""
    nudge("trading.learn_brackets", account_id=str(event.account_id))


@listens_to(AccountSealed)
@listens_to(AccountCheckDue)
def check_key(event: AccountSealed | AccountCheckDue) -> None:
    """The exchange is asked what the key may do, which the vault cannot do itself."""
    nudge("trading.check_key", account_id=str(event.account_id))


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
