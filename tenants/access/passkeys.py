"""The passkeys of a user, as whoever wants to verify one by itself needs them. All of it is public by nature."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from fido2 import cbor

from tenants import directory
from tenants.models import Domain
from tenants.scope import PUBLIC, current, entered
from tenants.types import PasskeyRef


def passkeys_of(user_id: UUID) -> list[PasskeyRef]:
    """A user's passkeys in the present tenant, oldest first.

    A passkey holds the digest of the host it was made at (TenantMFAAdapter). One that was made at a host which is
    the tenant's no longer is left out: no browser offers it any more.
    """
    rows = Authenticator.objects.filter(user_id=user_id, type=Authenticator.Type.WEBAUTHN).order_by("created_at", "pk")
    found: list[Any] = [row.wrap().authenticator_data for row in rows]
    if not found:
        return []
    hosts = {hashlib.sha256(host.encode()).digest(): host for host in _hosts()}
    return [
        PasskeyRef(
            ident=bytes(data.credential_data.credential_id),
            key=cbor.encode(dict(data.credential_data.public_key)),
            site=hosts[data.rp_id_hash],
        )
        for data in found
        if data.credential_data is not None and data.rp_id_hash in hosts
    ]


def _hosts() -> list[str]:
    tenant = directory.tenant_by_schema(current())
    with entered(PUBLIC):
        return list(Domain.objects.filter(tenant_id=tenant.pk).values_list("domain", flat=True))
