"""What every view of the partner API begins with."""

from __future__ import annotations

from typing import Any

from rest_framework.views import APIView

from tenants.access.authentication import KeyAuthentication
from tenants.access.permissions import HasScope
from tenants.access.throttles import General


class PartnerView(APIView):
    """For API keys: reading with pool:read or pool:manage, everything else with pool:manage."""

    authentication_classes = (KeyAuthentication,)
    throttle_classes = (General,)

    def get_permissions(self) -> list[Any]:
        reading = self.request.method in ("GET", "HEAD", "OPTIONS")
        return [HasScope("pool:read", "pool:manage") if reading else HasScope("pool:manage")]
