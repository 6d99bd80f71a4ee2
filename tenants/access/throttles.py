"""How often somebody may call: keys by their tenant's plan, people by themselves, strangers by address."""

from __future__ import annotations

from typing import Any

from obscura.core.http.throttling import BucketThrottle, address
from obscura.core.ratelimit import Rate
from tenants.scope import current
from tenants.types import KeyHolder

KEY_RATE = Rate(limit=6000, seconds=60)


class General(BucketThrottle):
    """100 a minute for a person or a stranger; for a tenant's keys together what ``requests_per_minute`` says."""

    def rate_of(self, request: Any) -> Rate:
        if not isinstance(request.auth, KeyHolder):
            return self.rate
        said = request._request.tenant.entitlements.get("requests_per_minute")
        return Rate(limit=int(str(said)), seconds=60) if said else KEY_RATE

    def caller(self, request: Any) -> str:
        if isinstance(request.auth, KeyHolder):
            return f"{current()}:keys"
        if request.user is not None and request.user.is_authenticated:
            return f"{current()}:{request.user.pk}"
        return f"{current()}:{address(request)}"


class Executing(General):
    """10 a minute for a person on what trades."""

    scope = "execution"
    rate = Rate(limit=10, seconds=60)


class Entering(BucketThrottle):
    """5 a minute for an address on what lets people in. Refuses while it cannot count."""

    scope = "auth"
    rate = Rate(limit=5, seconds=60)
    without_redis = False

    def caller(self, request: Any) -> str:
        return f"{current()}:{address(request)}"
