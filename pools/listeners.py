"""What pools does about news from below and of its own. Each listener nudges and does nothing else."""

from __future__ import annotations

from citadel.events import AccountRevoked
from obscura.core.events import listens_to
from obscura.core.nudge.send import nudge
from pools.events import PoolChanged, SubscriptionStopping
from pools.models import Pool
from tenants.events import TenantOpened
from tenants.scope import entered


@listens_to(TenantOpened)
def give_curated_pools(event: TenantOpened) -> None:
    """A new tenant gets what is published."""
    with entered(event.schema):
        nudge("pools.place_curated")


@listens_to(AccountRevoked)
def pause_subscriptions(event: AccountRevoked) -> None:
    """Nothing is opened on an account that may not trade."""
    nudge("pools.pause_account", account_id=str(event.account_id))


@listens_to(SubscriptionStopping)
def end_at_once(event: SubscriptionStopping) -> None:
    """What holds nothing need not wait to close it."""
    nudge("pools.end", subscription_id=event.subscription_id)


@listens_to(PoolChanged)
def tell_other_tenants(event: PoolChanged) -> None:
    """A curated pool that is paused, activated or halted at Tenant Zero is so everywhere; a halt does not queue."""
    pool = Pool.objects.filter(pk=event.pool_id, kind=Pool.Kind.CURATED, remote=False).first()
    if pool is not None:
        nudge("pools.sync_curated", queue="critical" if pool.halt else "default")
