"""Sealed boxes as they arrive from a browser or a partner: base64 that only the signer can look into."""

from __future__ import annotations

from base64 import b64decode

from citadel.sealing import LEAST_SEALED, MAX_SEALED
from obscura.core.errors import Invalid


class SealedInvalid(Invalid):
    """What was sealed is not a sealed box in base64."""

    code = "sealed_invalid"
    remedy = "Enter the keys again. A program finds what a box is in GET /api/exchanges/intake."


def read(text: str) -> bytes:
    """The bytes of a box.

    :raises SealedInvalid: it is no base64, too short for a box, or (code ``sealed_too_large``) too long for the signer
    """
    if len(text) > -(-MAX_SEALED // 3) * 4:
        raise _too_large()
    try:
        box = b64decode(text, validate=True)
    except ValueError:
        raise SealedInvalid from None
    if len(box) > MAX_SEALED:
        raise _too_large()
    if len(box) <= LEAST_SEALED:
        raise SealedInvalid
    return box


def _too_large() -> SealedInvalid:
    return SealedInvalid(f"A sealed box has {MAX_SEALED} bytes at most.", code="sealed_too_large")
