"""Rate limits as DRF throttles, told to the client in headers whether it is within them or not."""

from __future__ import annotations

import math
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.throttling import BaseThrottle

from obscura.core.ratelimit import Rate, Verdict, take


class BucketThrottle(BaseThrottle):
    """One bucket for each caller. Say in `scope` what is limited, in `rate_of` how much and in `caller` for whom."""

    scope = "general"
    rate = Rate(limit=100, seconds=60)
    without_redis = True

    def rate_of(self, request: Any) -> Rate:
        """How much this caller may."""
        return self.rate

    def caller(self, request: Any) -> str:
        """Who shares a bucket; by default an address."""
        return address(request)

    def allow_request(self, request: Any, view: Any) -> bool:
        verdict = take(
            f"{self.scope}:{self.caller(request)}", rate=self.rate_of(request), without_redis=self.without_redis
        )
        self._wait = verdict.wait_s
        bare = getattr(request, "_request", request)
        known: Verdict | None = getattr(bare, "rate_verdict", None)
        if known is None or verdict.left < known.left or not verdict.allowed:
            bare.rate_verdict = verdict
        return verdict.allowed

    def wait(self) -> float:
        return self._wait


def address(request: Any) -> str:
    """The client's address as the server saw it."""
    return str(request.META.get("REMOTE_ADDR") or "local")


def tell(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Write RateLimit-Limit, -Remaining and -Reset (seconds) where a bucket was asked."""
    verdict: Verdict | None = getattr(request, "rate_verdict", None)
    if verdict is not None:
        response["RateLimit-Limit"] = str(verdict.rate.limit)
        response["RateLimit-Remaining"] = str(verdict.left)
        response["RateLimit-Reset"] = str(math.ceil(verdict.full_in_s))
    return response
