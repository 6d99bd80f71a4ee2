"""The signer's memory: what it needs of each open account to sign, least recently used out first."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

_IPAD = bytes(byte ^ 0x36 for byte in range(256))
_OPAD = bytes(byte ^ 0x5C for byte in range(256))


class SigningKey:
    """One account: its tenant, its public API key and the two SHA-256 states that HMAC starts from (RFC 2104).

    The states sign like the secret does; the secret itself is not kept.
    """

    __slots__ = ("api_key", "header", "inner", "outer", "tenant")

    def __init__(self, *, tenant: int, api_key: str, secret: bytes) -> None:
        self.tenant, self.api_key = tenant, api_key
        self.header = b"X-MBX-APIKEY: " + api_key.encode("ascii") + b"\r\n"
        block = (hashlib.sha256(secret).digest() if len(secret) > 64 else secret).ljust(64, b"\0")
        self.inner: Any = hashlib.sha256(block.translate(_IPAD))
        self.outer: Any = hashlib.sha256(block.translate(_OPAD))

    def __repr__(self) -> str:
        return "SigningKey(•••)"

    def __reduce__(self) -> str:
        raise TypeError("a signing key cannot be pickled")

    def hmac_sha256(self, payload: bytes) -> bytes:
        """The 32 bytes of HMAC-SHA256 over `payload`."""
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(payload)
        outer.update(inner.digest())
        digest: bytes = outer.digest()
        return digest


class Keyring:
    """Open accounts by the 16 bytes of their UUID, at most `size` of them."""

    def __init__(self, *, size: int) -> None:
        self._keys: OrderedDict[bytes, SigningKey] = OrderedDict()
        self.size = size

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"Keyring({len(self._keys)} accounts)"

    def get(self, account: bytes) -> SigningKey | None:
        """The account's key, now the most recently used; None where it is not open."""
        key = self._keys.get(account)
        if key is not None:
            self._keys.move_to_end(account)
        return key

    def put(self, account: bytes, key: SigningKey) -> None:
        self._keys[account] = key
        self._keys.move_to_end(account)
        while len(self._keys) > self.size:
            self._keys.popitem(last=False)

    def forget(self, account: bytes) -> bool:
        return self._keys.pop(account, None) is not None
