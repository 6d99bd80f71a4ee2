"""What ccxt does to a secret before it signs with it: named functions that worker and signer both run.

The worker runs them on a decoy, to know it again in whatever form it comes; the signer runs one on the secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable

MIN_BYTES = 16
"""Shorter forms are not told apart from other data, so nothing is looked up by them."""

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS58 = {char: digit for digit, char in enumerate(_BASE58)}


class Underivable(ValueError):
    """The text has no such form, or there is no such name."""

    code = "key_malformed"


def _base64(text: str) -> bytes:
    return base64.standard_b64decode(text)


def _base58(text: str) -> bytes:
    number = 0
    for char in text.rpartition("ed25519:")[2]:
        number = number * 58 + _DIGITS58[char]
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base32(text: str) -> bytes:
    packed = text.replace(" ", "").upper()
    return base64.b32decode(packed + "=" * (-len(packed) % 8))


def _lbank_pem(text: str) -> bytes:
    # lbank's own cutting: what does not fill a line of 64 is dropped.
    lines = [text[at : at + 64] + "\n" for at in range(0, len(text) // 64 * 64, 64)]
    return f"-----BEGIN PRIVATE KEY-----\n{''.join(lines)}-----END PRIVATE KEY-----".encode()


DERIVATIONS: dict[str, Callable[[str], bytes]] = {
    "text": lambda text: text.encode(),
    "last64": lambda text: text[-64:].encode(),
    "base64": _base64,
    "base64_32": lambda text: _base64(text)[:32],
    "base58": _base58,
    "base58_32": lambda text: _base58(text)[:32],
    "upper": lambda text: text.upper().encode(),
    "md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().encode(),
    "base64_text": lambda text: base64.standard_b64encode(text.encode()),
    "lbank_pem": _lbank_pem,
    "base32": _base32,
}
"""By name. Where two give the same bytes, the earlier name is the one that is used."""


def derive(name: str, text: str) -> bytes:
    """One form of a text.

    :raises Underivable: there is no such form; says nothing about the text
    """
    function = DERIVATIONS.get(name)
    if function is None:
        raise Underivable
    try:
        return function(text)
    except (ValueError, KeyError, binascii.Error):
        raise Underivable from None


def forms(text: str) -> dict[bytes, str]:
    """Every form of a text that is long enough to be known again, and its name."""
    found: dict[bytes, str] = {}
    for name in DERIVATIONS:
        try:
            form = derive(name, text)
        except Underivable:
            continue
        if len(form) >= MIN_BYTES:
            found.setdefault(form, name)
    return found


def number(text: str | int) -> int | None:
    """A hexadecimal key as a number; None where it is none. Starknet keys lose their leading zeros on the way."""
    if isinstance(text, int):
        return text
    try:
        return int(text, 16)
    except ValueError:
        return None
