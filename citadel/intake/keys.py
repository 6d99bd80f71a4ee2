"""The web's half of sealing: know the signer's intake key, and seal credentials to it."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from citadel import sealing
from citadel.client import SignerClient
from citadel.intake.models import IntakeKey
from citadel.types import VaultKey
from obscura.core import clock
from obscura.core.errors import Unavailable


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


def publish_intake_key() -> str:
    """Ask the signer for its intake key and write it down where every web process finds it. Returns the key's id.

    May be repeated. A key that comes back after another one was published becomes the newest again.

    :raises citadel.client.SignerUnavailable: the signer does not answer
    """
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        public, kid = signer.intake_key()
    finally:
        signer.close()
    newest = IntakeKey.objects.order_by("-id").first()
    if newest is None or newest.kid != kid:
        with transaction.atomic():
            IntakeKey.objects.filter(kid=kid).delete()
            IntakeKey.objects.get_or_create(kid=kid, defaults={"public": public, "created_at": clock.now()})
    return kid
