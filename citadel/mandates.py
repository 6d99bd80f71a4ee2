"""Sealing mandates, where terms are agreed: in processes that were given the key, and in no worker."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from django.conf import settings

from citadel.client import SignerClient
from citadel.domain.mandate import Caps, Mandate, seal
from citadel.processes import KeyMissing, read_key
from obscura.core.errors import Problem
from tenants import services as tenants
from tenants.scope import current

KEY = "OBSCURA_MANDATE_KEY"


class MandateKeyMissing(Problem):
    """This process may not agree terms: it has no key to seal them with."""

    code, http_status = "mandate_key_missing", 503
    remedy = "An operator names the key to the web processes: OBSCURA_MANDATE_KEY or OBSCURA_MANDATE_KEY_FILE."


def able() -> bool:
    """Whether this process can seal mandates."""
    try:
        read_key(KEY)
    except KeyMissing:
        return False
    return True


def seal_mandate(
    *,
    subscription: int,
    number: int,
    account_id: UUID,
    exchange: str,
    environment: str,
    opens: bool,
    order_usd: Decimal,
    minute_usd: Decimal,
    day_usd: Decimal,
    leverage: int,
    band_bps: int,
    max_loss_usd: Decimal,
    allow: frozenset[str],
    deny: frozenset[str],
) -> bytes:
    """The sealed mandate of a subscription of the present tenant. Amounts are Decimals of US dollars.

    :raises MandateKeyMissing: this process was not given the key
    """
    try:
        key = read_key(KEY)
    except KeyMissing:
        raise MandateKeyMissing from None
    mandate = Mandate(
        tenant=int(tenants.tenant_by_schema(current()).pk),
        subscription=subscription,
        account=account_id.bytes,
        number=number,
        exchange=exchange,
        environment=environment,
        opens=opens,
        caps=Caps(order_usd, minute_usd, day_usd, leverage),
        band_bps=band_bps,
        max_loss_usd=max_loss_usd,
        allow=allow,
        deny=deny,
    )
    return seal(mandate, key=key)


def tell_mandates(sealed: Sequence[bytes]) -> list[str]:
    """Tell the signer of mandates that are new. Returns the codes of those that it refused.

    :raises citadel.client.SignerUnavailable: it does not answer; it hears of them with the next order as well
    """
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        return signer.mandates(sealed)
    finally:
        signer.close()
