"""The web's half of sealing: know the signer's intake key, and seal credentials to it."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from citadel import sealing
from citadel.client import SignerClient
from citadel.intake.models import IntakeKey, Statement
from citadel.types import VaultKey, VaultStatement
from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Unavailable
from tenants.scope import PUBLIC, entered


class VaultNotReady(Unavailable):
    """The vault has not told its intake key yet, so nothing can be sealed."""

    code = "vault_not_ready"
    remedy = "Try again in a moment. An operator starts the signer and runs `manage.py publish_intake_key`."


def intake_key() -> VaultKey:
    """The public key that credentials are sealed to now.

    :raises VaultNotReady: none was published
    """
    key = IntakeKey.objects.order_by("-id").first()
    if key is None:
        raise VaultNotReady
    return VaultKey(kid=key.kid, public=bytes(key.public))


@sensitive_variables()  # all of them, here and in what is called: an error's report shows none
def sealed_for(*, tenant: int, account: bytes, credentials: Mapping[str, str]) -> bytes:
    """The credentials as only the signer can read them, for this account of this tenant alone.

    :param account: 16 bytes of the account's UUID
    :raises VaultNotReady: no intake key was published
    """
    return sealing.seal(intake=intake_key().public, tenant=tenant, account=account, fields=credentials)


def statement() -> VaultStatement | None:
    """What the vault said of itself last; None where nobody has asked it yet."""
    row = Statement.objects.order_by("pk").first()
    if row is None:
        return None
    return VaultStatement(keys=row.keys, attestation=dict(row.attestation), heard_at=row.heard_at, since=row.since)


def _write_statement(*, keys: str, attestation: dict[str, object]) -> None:
    now = clock.now()
    with entered(PUBLIC), transaction.atomic():
        row = Statement.objects.select_for_update().order_by("pk").first()
        if row is not None and (row.keys, row.attestation) == (keys, attestation):
            Statement.objects.filter(pk=row.pk).update(heard_at=now)
            return
        Statement.objects.update_or_create(
            pk=1, defaults={"keys": keys, "attestation": attestation, "heard_at": now, "since": now}
        )
        audit.record("citadel.vault.stated", actor="system", subject="vault", keys=keys, attestation=attestation)


def publish_intake_key() -> str:
    """Ask the signer for its intake key and write it down where every web process finds it. Returns the key's id.

    What the vault says of itself is written down beside it.

    May be repeated. A key that comes back after another one was published becomes the newest again.

    :raises citadel.client.SignerUnavailable: the signer does not answer
    """
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        public, kid = signer.intake_key()
        stats = signer.stats()
    finally:
        signer.close()
    _write_statement(keys=str(stats["keys_kept"]), attestation=dict(stats["attestation"]))
    newest = IntakeKey.objects.order_by("-id").first()
    if newest is None or newest.kid != kid:
        with transaction.atomic():
            IntakeKey.objects.filter(kid=kid).delete()
            IntakeKey.objects.get_or_create(kid=kid, defaults={"public": public, "created_at": clock.now()})
    return kid
