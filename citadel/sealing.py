"""Seal credentials so that only the signer can open them: all that a web process can do with a secret."""

from __future__ import annotations

from collections.abc import Mapping

import msgpack
from django.conf import settings
from django.db import transaction
from django.views.decorators.debug import sensitive_variables
from nacl.public import PublicKey, SealedBox

from citadel.client import SignerClient
from citadel.intake.models import IntakeKey
from obscura.core import clock
from obscura.core.errors import Unavailable


class VaultNotReady(Unavailable):
    """The vault has not told its intake key yet, so nothing can be sealed."""

    code = "vault_not_ready"
    remedy = "Try again in a moment. An operator starts the signer and runs `manage.py publish_intake_key`."


@sensitive_variables("credentials", "packed")
def seal(credentials: Mapping[str, str]) -> bytes:
    """The credentials as only the signer can read them (a sealed box of a msgpack map).

    :raises VaultNotReady: no intake key was published
    """
    key = IntakeKey.objects.order_by("-id").first()
    if key is None:
        raise VaultNotReady
    packed = msgpack.packb(dict(credentials))
    return bytes(SealedBox(PublicKey(bytes(key.public))).encrypt(packed))


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
