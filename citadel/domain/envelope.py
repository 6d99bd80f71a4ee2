"""One sealed text: ``nil:v{n}:{payload}``, AES-256-GCM under a key of its own that key version n wraps.

The payload is unpadded URL-safe base64 of ``0x01 | wrapped data key (60) | nonce (12) | ciphertext and tag``. Both
layers are bound to the place the value lives in: tenant, account and field are authenticated, each with its length
before it and under a label of its layer. The key version is authenticated in the wrap alone, so that a rotation wraps
the data key anew and leaves the body as it is.
"""

from __future__ import annotations

import os
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = b"\x01"
NONCE, TAG, DATA_KEY = 12, 16, 32
WRAPPED = NONCE + DATA_KEY + TAG
MAX_TEXT = 64 << 10

_SHAPE = re.compile(r"nil:v([1-9][0-9]{0,8}):([A-Za-z0-9_-]+)", re.ASCII)
_SHORTEST = len(FORMAT) + WRAPPED + NONCE + TAG


class EnvelopeError(Exception):
    """An envelope that cannot be opened."""

    code = "envelope"


class MalformedEnvelope(EnvelopeError):
    """Not the one canonical form of an envelope: altered, or never written by us. Restore it from a backup."""

    code = "envelope_malformed"


class RefusedEnvelope(EnvelopeError):
    """Authentication failed: altered, relabelled, or of another tenant, account or field. It stays closed."""

    code = "envelope_refused"


class KeyVersionUnknown(EnvelopeError):
    """The vault does not hold this key version any more, or not yet. Rotate the envelope or enable the version."""

    code = "key_version_unknown"


class Place(NamedTuple):
    """Where a value lives: tenant id, 16 bytes of the account's UUID, name of the field."""

    tenant: int
    account: bytes
    field: str


class KeyWrapper(Protocol):
    """What this module needs of a vault."""

    def wrap(self, *, version: int, data_key: bytes, aad: bytes) -> bytes:
        """`WRAPPED` bytes that only `unwrap` of the same version and aad turns back."""
        ...

    def unwrap(self, *, version: int, wrapped: bytes, aad: bytes) -> bytes:
        """The data key.

        :raises RefusedEnvelope: authentication failed
        :raises KeyVersionUnknown: the version is not held
        """
        ...


def seal(
    *, vault: KeyWrapper, version: int, place: Place, text: bytes, random: Callable[[int], bytes] = os.urandom
) -> str:
    """Seal `text` for `place` under key version `version`."""
    if len(text) > MAX_TEXT:
        raise ValueError("a sealed value has at most 64 KiB")
    data_key, nonce = random(DATA_KEY), random(NONCE)
    wrapped = vault.wrap(version=version, data_key=data_key, aad=wrap_aad(version, place))
    return _join(version, wrapped, nonce + AESGCM(data_key).encrypt(nonce, text, data_aad(place)))


def unseal(*, vault: KeyWrapper, place: Place, envelope: str) -> bytes:
    """The text that was sealed for exactly this place.

    :raises EnvelopeError: one of its three kinds; which of tenant, account, field or bytes was wrong is not told
    """
    version, wrapped, body = _split(envelope)
    data_key = vault.unwrap(version=version, wrapped=wrapped, aad=wrap_aad(version, place))
    try:
        return AESGCM(data_key).decrypt(body[:NONCE], body[NONCE:], data_aad(place))
    except InvalidTag:
        raise RefusedEnvelope from None


def rewrap(*, vault: KeyWrapper, place: Place, envelope: str, version: int) -> str:
    """The same body, its data key wrapped under `version`. The text itself is not decrypted.

    :raises EnvelopeError: the present wrap does not open
    """
    old, wrapped, body = _split(envelope)
    data_key = vault.unwrap(version=old, wrapped=wrapped, aad=wrap_aad(old, place))
    return _join(version, vault.wrap(version=version, data_key=data_key, aad=wrap_aad(version, place)), body)


def version_of(envelope: str) -> int:
    """The key version an envelope names. Nothing is authenticated by this.

    :raises MalformedEnvelope: not canonical
    """
    return _split(envelope)[0]


def wrap_aad(version: int, place: Place) -> bytes:
    """What the wrapping of a data key authenticates."""
    return _bind(b"obscura/citadel/wrap/1", struct.pack(">I", version), place)


def data_aad(place: Place) -> bytes:
    """What the body authenticates: the place and no version."""
    return _bind(b"obscura/citadel/data/1", b"", place)


def _bind(label: bytes, extra: bytes, place: Place) -> bytes:
    if not 0 <= place.tenant < 1 << 64 or len(place.account) != 16:
        raise ValueError("a place has a tenant id and 16 bytes of account")
    parts = (label, extra, place.tenant.to_bytes(8, "big"), place.account, place.field.encode())
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _join(version: int, wrapped: bytes, body: bytes) -> str:
    if not 1 <= version <= 999_999_999 or len(wrapped) != WRAPPED:
        raise ValueError("key version or wrap out of range")
    return f"nil:v{version}:{urlsafe_b64encode(FORMAT + wrapped + body).rstrip(b'=').decode()}"


def _split(envelope: str) -> tuple[int, bytes, bytes]:
    found = _SHAPE.fullmatch(envelope) if isinstance(envelope, str) else None
    if found is None or len(found[2]) > 2 * MAX_TEXT or len(found[2]) % 4 == 1:
        raise MalformedEnvelope
    raw = urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4))
    # Base64 has several spellings of the same last bytes; only the one that comes back is ours.
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != found[2] or len(raw) < _SHORTEST or raw[:1] != FORMAT:
        raise MalformedEnvelope
    return int(found[1]), raw[1 : 1 + WRAPPED], raw[1 + WRAPPED :]
