"""Ids of accounts to be: given out and signed, so that credentials can be sealed to an account before there is one."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core.signing import BadSignature, TimestampSigner

from citadel.types import Reservation
from obscura.core import clock
from obscura.core.errors import Invalid
from obscura.core.ids import uuid7

LIFE = timedelta(hours=1)


class ReservationInvalid(Invalid):
    """The form is older than an hour, or was given to somebody else."""

    code = "reservation_invalid"
    remedy = "Enter the keys again. A program reserves another id, and seals the credentials to that."


def reserve(*, tenant: int, owner: UUID, agreed: str) -> Reservation:
    """An id that this user of this tenant may connect one account under, within an hour.

    :param agreed: what its owner agrees to by connecting it, to be sealed beside the credentials
    """
    account = uuid7()
    return Reservation(
        account=account,
        account_id=_signer(tenant, owner).sign(account.hex),
        tenant=tenant,
        agreed=agreed,
        expires_at=clock.now() + LIFE,
    )


def reserved(account_id: str, *, tenant: int, owner: UUID) -> UUID:
    """The account that a reservation is of.

    Nobody chooses an id: the vault's processes know an account by it alone, in whatever tenant it is.

    :raises ReservationInvalid: it is another user's or tenant's, too old, or was never given out
    """
    try:
        return UUID(hex=_signer(tenant, owner).unsign(account_id, max_age=LIFE))
    except BadSignature:
        raise ReservationInvalid from None


def _signer(tenant: int, owner: UUID) -> TimestampSigner:
    return TimestampSigner(salt=f"citadel.account:{tenant}:{owner.hex}")
