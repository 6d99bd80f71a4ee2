"""What a key provider is, how it fails, and the one spelling of the texts it makes.

A provider wraps key-encryption keys: one per tenant and version, 32 bytes each. Where its own key lives (on this
machine, in shares on several nodes, in HashiCorp Vault) is all that tells one provider from another.
"""

from __future__ import annotations

import ipaddress
import os
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY, NONCE, TAG = 32, 12, 16

_SHAPE = re.compile(r"([a-z]{1,16}):([1-9][0-9]{0,8}):([A-Za-z0-9_-]{80})", re.ASCII)
"""12 + 32 + 16 bytes are 80 digits of base64 without a remainder: there is one spelling of them."""

_GENERATION = re.compile(r"(?:[a-z]{1,16}:|transit:vault:v)([1-9][0-9]{0,8}):", re.ASCII)


class ProviderError(Exception):
    """A key provider could not do what was asked."""

    code = "provider"


class ProviderUnavailable(ProviderError):
    """The provider does not answer. Try again; nothing was changed."""

    code = "provider_unavailable"


class QuorumMissing(ProviderUnavailable):
    """Too few nodes gave their share. Try again when one more of them answers; nothing was changed."""

    code = "quorum_missing"


class ProviderDenied(ProviderError):
    """The provider answers and refuses us. Renew the credential, register it, or pay; a retry alone changes nothing."""

    code = "provider_denied"


class WrapRefused(ProviderError):
    """Authentication failed: altered, relabelled, or wrapped for something else. It stays closed."""

    code = "wrap_refused"


class WrapUnknown(ProviderError):
    """Not a text of this provider, or of a version it does not hold. Ask the one it names, or enable the version."""

    code = "wrap_unknown"


class StateLost(ProviderError):
    """The provider's own record of its keys is missing or unreadable. Restore it: what is wrapped needs it to open."""

    code = "provider_state_lost"


class GenerationsMany(ProviderError):
    """So many generations of the provider's key are kept that none is added. Let the old ones be destroyed first."""

    code = "generations_many"


class ShareTampered(ProviderError):
    """A node gave a share that is not the one it was given. Take the node out of use and rotate the provider's key."""

    code = "share_tampered"

    def __init__(self, *, node: int) -> None:
        super().__init__(f"the share of node {node} is not the one it was given")
        self.node = node


class KeyProvider(Protocol):
    """Wraps and unwraps key-encryption keys (32 bytes each, one per tenant and version).

    Blocking, with timeouts of its own; may be called from several threads.
    """

    name: str

    def wrap(self, *, key: bytes, aad: bytes) -> str:
        """Canonical text that only `unwrap` of the same provider and aad turns back.

        :raises ProviderUnavailable: try again
        """
        ...

    def unwrap(self, *, wrapped: str, aad: bytes) -> bytes:
        """The 32 bytes.

        :raises ProviderUnavailable: try again
        :raises WrapRefused: altered, or of another aad
        :raises WrapUnknown: another provider's, malformed, or of a version that is not held
        """
        ...

    def rotate(self) -> int:
        """A new version of the provider's own key, used from now on; the old ones still unwrap. Returns its number.

        :raises ProviderUnavailable: try again; no version was made
        """
        ...

    def close(self) -> None:
        """Forget keys and connections. Whoever asks afterwards gets ProviderUnavailable."""
        ...


class Generations(NamedTuple):
    """The versions of a provider's own key that still open.

    :param made: Unix milliseconds by number, 0 where nobody knows; the highest is the one in use
    :param owed: nodes that still hold what was destroyed, once for each deletion that is owed to them
    """

    made: dict[int, int]
    owed: tuple[int, ...]


class ErasableProvider(KeyProvider, Protocol):
    """A provider whose versions can be destroyed: what they wrapped opens never again, with all that it keeps."""

    def generations(self) -> Generations:
        """What still opens.

        :raises ProviderUnavailable: try again
        """
        ...

    def destroy(self, *, below: int) -> Generations:
        """Destroy every version below one; what is left. May be repeated, which also does what is owed.

        :raises ValueError: the latest would be gone
        :raises ProviderUnavailable: try again
        """
        ...


def generation_of(wrapped: str) -> int:
    """The version of the provider's key that a wrapped text names. Nothing is authenticated by this.

    :raises WrapUnknown: it is no text of any provider
    """
    found = _GENERATION.match(wrapped)
    if found is None:
        raise WrapUnknown
    return int(found[1])


def seal_key(*, name: str, version: int, kek: bytes, key: bytes, aad: bytes) -> str:
    """``name:version:base64url`` of nonce, wrapped key and tag: AES-256-GCM under `kek`."""
    if len(key) != KEY:
        raise ValueError("a key-encryption key has 32 bytes")
    nonce = os.urandom(NONCE)
    raw = nonce + AESGCM(kek).encrypt(nonce, key, _bind(name, version, aad))
    return f"{name}:{version}:{urlsafe_b64encode(raw).decode()}"


def open_key(*, name: str, version: int, kek: bytes, raw: bytes, aad: bytes) -> bytes:
    """What `seal_key` sealed.

    :raises WrapRefused: authentication failed
    """
    try:
        return AESGCM(kek).decrypt(raw[:NONCE], raw[NONCE:], _bind(name, version, aad))
    except InvalidTag:
        raise WrapRefused from None


def split_wrapped(*, name: str, wrapped: str) -> tuple[int, bytes]:
    """Version and bytes of a text of `seal_key`. Nothing is authenticated by this.

    :raises WrapUnknown: not canonical, or of another provider
    """
    found = _SHAPE.fullmatch(wrapped) if isinstance(wrapped, str) else None
    if found is None or found[1] != name:
        raise WrapUnknown
    return int(found[2]), urlsafe_b64decode(found[3])


def check_address(url: str) -> str:
    """The base address without a slash at its end. Only this machine may be spoken to without TLS.

    :raises ValueError: neither https nor loopback, or more than scheme, host, port and path
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("an address has a scheme, a host, a port and a path")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("an address that is not of this machine needs https")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bind(name: str, version: int, aad: bytes) -> bytes:
    # Each part behind its length, so that no aad can be read as another version with another aad.
    parts = (b"obscura/citadel/provider/1", name.encode(), struct.pack(">I", version), aad)
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
