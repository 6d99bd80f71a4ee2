"""Where a tenant has its staff's word that requests may be signed unread: kept here, believed by the signer alone."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from citadel import keyring
from citadel.client import SignerClient
from citadel.domain import exchanges
from citadel.domain.permit import Permit, seal
from citadel.domain.policy import JUDGED
from citadel.mandates import KEY, MandateKeyMissing
from citadel.models import UncheckedSigning
from citadel.processes import KeyMissing, read_key
from obscura.core import clock, log
from obscura.core.audit import write as audit
from obscura.core.errors import Invalid
from obscura.core.nudge.send import nudge

_logger = log.get("citadel")


class NeverUnchecked(Invalid):
    """Requests to this exchange are read before they are signed, and always will be."""

    code = "never_unchecked"
    remedy = "Take another exchange: for this one nothing has to be switched on."


def switch(*, exchange: str, on: bool, actor: str) -> None:
    """Let the vault sign for an exchange of the present tenant what it cannot read, or let it no more.

    Switching it to what it is already changes nothing.

    :raises NeverUnchecked: the exchange's requests are read, or there is no such exchange
    :raises MandateKeyMissing: this process was not given the key
    """
    if exchange not in exchanges.exchanges() or exchange in JUDGED:
        raise NeverUnchecked
    try:
        key = read_key(KEY)
    except KeyMissing:
        raise MandateKeyMissing from None
    with transaction.atomic():
        UncheckedSigning.objects.get_or_create(
            exchange=exchange, defaults={"permit": b"", "switched_by": actor[:120], "switched_at": clock.now()}
        )
        row = UncheckedSigning.objects.select_for_update().get(exchange=exchange)
        if row.on == on:
            return
        row.number, row.on, row.switched_by, row.switched_at = row.number + 1, on, actor[:120], clock.now()
        row.permit = seal(Permit(keyring.tenant_id(), exchange, row.number, on), key=key)
        row.save()
        audit.record(
            f"citadel.unchecked_signing.{'on' if on else 'off'}",
            actor=actor,
            subject=f"exchange:{exchange}",
            number=row.number,
        )
        nudge("citadel.tell_permits")


def held() -> list[bytes]:
    """The permits of the present tenant as they were sealed, those that withdraw one too."""
    return [bytes(permit) for permit in UncheckedSigning.objects.exclude(number=0).values_list("permit", flat=True)]


def tell() -> None:
    """Have the signer take the present tenant's permits in.

    :raises citadel.client.SignerUnavailable: it does not answer; it hears of them with the next question as well
    """
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        _, refused = signer.open([], permits=held())
    finally:
        signer.close()
    for _, code in refused:
        _logger.error("citadel.permit_refused", code=code)
