"""What workers do for pools: follow up on news, and sweep for news that was lost."""

from __future__ import annotations

from uuid import UUID

import celery

from obscura.core.nudge.send import nudged
from pools import services
from tenants import services as tenants
from tenants.scope import current, each


@nudged("pools.place_curated")
def place_curated(**_: object) -> None:
    """Give a tenant the curated pools that are published."""
    services.place_curated(tenants.tenant_by_schema(current()))


@nudged("pools.sync_curated")
def sync_curated(**_: object) -> None:
    """Give every tenant the curated pools that are published."""
    services.sync_curated()


@nudged("pools.pause_account")
def pause_account(*, account_id: str, **_: object) -> None:
    """Pause what copies on an account that may not trade any more."""
    services.pause_account(UUID(account_id))


@nudged("pools.tell_mandate")
def tell_mandate(*, subscription_id: int, **_: object) -> None:
    """Tell the signer what may be signed for a subscription now."""
    services.tell_mandate(subscription_id=subscription_id)


@nudged("pools.end")
def end(*, subscription_id: int, **_: object) -> None:
    """End a subscription that was stopped while it held nothing."""
    services.end_subscription(subscription_id=subscription_id, actor="system")


@celery.shared_task(name="pools.settle_month", ignore_result=True)
def settle_month(**_: object) -> None:
    """At the end of a month: what is due of every follower's profit."""
    for _tenant in each(reason="shares of profit"):
        services.settle_month()


@celery.shared_task(name="pools.sweep", ignore_result=True)
def sweep(**_: object) -> None:
    """What announcements cause, found without them; and subscriptions that have closed all they held."""
    services.sync_curated()
    for _tenant in each(reason="subscriptions to pause or to end"):
        services.pause_all_unfit()
        services.end_idle()
