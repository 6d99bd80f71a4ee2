"""Key-encryption keys of tenants, in the clear in this process alone.

A tenant has a key of its own for each version. It comes wrapped by the key provider, from whoever wants an account
opened, and is kept here. Version 1 is older than that: it follows from the root key and is the same for all tenants;
a tenant leaves it with its first rotation.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from citadel.domain.envelope import DATA_KEY, NONCE, WRAPPED, KeyVersionUnknown, RefusedEnvelope
from citadel.vaults.local import LocalVault
from citadel.vaults.provider import Generations, WrapUnknown, generation_of

SHARED = 1
"""The version that follows from the root key."""

MOST = 20_000


class KeyPending(Exception):
    """The key provider was asked and has not answered yet. Ask again in a moment."""

    code = "key_pending"


class KeyRetired(KeyVersionUnknown):
    """A version below the tenant's minimum: its envelopes were wrapped anew. It is not opened any more."""

    code = "key_version_retired"


class Keeper(Protocol):
    """Who wraps and unwraps: at once, or by KeyPending and an answer later."""

    def wrap(self, *, key: bytes, aad: bytes, ask: tuple[int, int]) -> str:
        """The wrapped key.

        :raises KeyPending: ask again
        """
        ...

    def unwrap(self, *, wrapped: str, aad: bytes) -> bytes:
        """The 32 bytes.

        :raises KeyPending: ask again
        """
        ...

    def generations(self, *, ask: bytes) -> Generations:
        """What of the provider's own key still opens.

        :param ask: of one question, the same each time it comes again
        :raises KeyPending: ask again
        """
        ...

    def rotate(self, *, after: int, ask: bytes) -> Generations:
        """See that there is a generation that follows this one.

        :raises KeyPending: ask again
        """
        ...

    def destroy(self, *, below: int, ask: bytes) -> Generations:
        """Destroy every generation below one.

        :raises KeyPending: ask again
        """
        ...


class TenantKeys:
    """Keys by tenant and version.

    :param minimum: the lowest version of a tenant that may still be used
    """

    def __init__(self, *, shared: LocalVault, keeper: Keeper, minimum: Callable[[int], int]) -> None:
        self._shared, self._keeper, self._minimum = shared, keeper, minimum
        self._keys: dict[tuple[int, int], AESGCM] = {}
        self._texts: dict[tuple[int, int], str] = {}
        self._making: dict[tuple[int, int], bytes] = {}
        self._moving: dict[tuple[int, int, str], bytes] = {}
        self._also: dict[tuple[int, int], str] = {}

    def __repr__(self) -> str:
        return f"TenantKeys({len(self._keys)})"

    def make(self, tenant: int, version: int) -> str:
        """A new random key for a tenant's version, held here; its wrapped form to keep.

        :raises KeyPending: ask again with the same
        :raises KeyRetired: the version is below the minimum
        """
        if version <= SHARED:
            raise KeyVersionUnknown
        self._look(tenant, version)
        key = self._making.setdefault((tenant, version), os.urandom(DATA_KEY))
        wrapped = self._keeper.wrap(key=key, aad=_aad(tenant, version), ask=(tenant, version))
        del self._making[tenant, version]
        return wrapped

    def hold(self, tenant: int, version: int, wrapped: str) -> None:
        """Keep a key that comes wrapped.

        :raises KeyPending: ask again
        :raises KeyRetired: the version is below the minimum
        :raises citadel.vaults.provider.ProviderError: it does not open
        """
        self._look(tenant, version)
        # Another text is another key, as after a database was restored and the version made anew: what is wrapped by a
        # key that nobody keeps would be lost, so the one that is kept holds.
        if version <= SHARED or wrapped in (self._texts.get((tenant, version)), self._also.get((tenant, version))):
            return
        key = self._keeper.unwrap(wrapped=wrapped, aad=_aad(tenant, version))
        while len(self._keys) >= MOST:
            self._forget(next(iter(self._keys)))
        self._keys[tenant, version], self._texts[tenant, version] = AESGCM(key), wrapped
        self._also.pop((tenant, version), None)

    def move(self, tenant: int, version: int, wrapped: str) -> str:
        """The same key, wrapped under the provider's present generation. Whoever holds either text is understood.

        :raises KeyPending: ask again
        :raises KeyRetired: the version is below the minimum
        :raises citadel.vaults.provider.ProviderError: it does not open
        """
        if version <= SHARED:
            raise KeyVersionUnknown
        self._look(tenant, version)
        place, aad = (tenant, version, wrapped), _aad(tenant, version)
        key = self._moving.get(place)
        if key is None:
            key = self._moving[place] = self._keeper.unwrap(wrapped=wrapped, aad=aad)
        moved = self._keeper.wrap(key=key, aad=aad, ask=(tenant, version))
        del self._moving[place]
        if self._texts.get((tenant, version)) == wrapped:
            self._also[tenant, version] = moved
        return moved

    def generations(self, *, ask: bytes) -> Generations:
        """Of the provider's own key: what still opens."""
        return self._keeper.generations(ask=ask)

    def rotate(self, *, after: int, ask: bytes) -> Generations:
        """See that the provider has a generation that follows this one."""
        return self._keeper.rotate(after=after, ask=ask)

    def destroy(self, *, below: int, ask: bytes) -> Generations:
        """Destroy the provider's generations below one, and forget the keys that came wrapped under them alone."""
        found = self._keeper.destroy(below=below, ask=ask)
        self._moving.clear()
        for key, text in list(self._texts.items()):
            if _below(self._also.get(key, text), below):
                self._forget(key)
            elif _below(text, below):
                self._texts[key] = self._also.pop(key)
        return found

    def drop(self, tenant: int, below: int) -> int:
        """Forget a tenant's versions below one. How many there were."""
        gone = [key for key in self._keys if key[0] == tenant and key[1] < below]
        for key in gone:
            self._forget(key)
        return len(gone)

    def highest(self, tenant: int) -> int:
        """The highest version of a tenant that is held."""
        return max((version for owner, version in self._keys if owner == tenant), default=SHARED)

    def of(self, tenant: int) -> OfTenant:
        """What wraps and unwraps a tenant's data keys."""
        return OfTenant(self, tenant)

    def wrap(self, tenant: int, version: int, data_key: bytes, aad: bytes) -> bytes:
        """nonce (12), wrapped key (32), tag (16)."""
        self._look(tenant, version)
        if version == SHARED:
            return self._shared.wrap(version=version, data_key=data_key, aad=aad)
        nonce = os.urandom(NONCE)
        return nonce + self._key(tenant, version).encrypt(nonce, data_key, aad)

    def unwrap(self, tenant: int, version: int, wrapped: bytes, aad: bytes) -> bytes:
        """The data key that was wrapped under this version and aad."""
        self._look(tenant, version)
        if version == SHARED:
            return self._shared.unwrap(version=version, wrapped=wrapped, aad=aad)
        if len(wrapped) != WRAPPED:
            raise RefusedEnvelope
        try:
            return self._key(tenant, version).decrypt(wrapped[:NONCE], wrapped[NONCE:], aad)
        except InvalidTag:
            raise RefusedEnvelope from None

    def _forget(self, key: tuple[int, int]) -> None:
        del self._keys[key], self._texts[key]
        self._also.pop(key, None)

    def _look(self, tenant: int, version: int) -> None:
        if version < self._minimum(tenant):
            raise KeyRetired

    def _key(self, tenant: int, version: int) -> AESGCM:
        try:
            return self._keys[tenant, version]
        except KeyError:
            raise KeyVersionUnknown from None


class OfTenant:
    """One tenant's keys, as envelopes want them."""

    __slots__ = ("_keys", "_tenant")

    def __init__(self, keys: TenantKeys, tenant: int) -> None:
        self._keys, self._tenant = keys, tenant

    def wrap(self, *, version: int, data_key: bytes, aad: bytes) -> bytes:
        return self._keys.wrap(self._tenant, version, data_key, aad)

    def unwrap(self, *, version: int, wrapped: bytes, aad: bytes) -> bytes:
        return self._keys.unwrap(self._tenant, version, wrapped, aad)


def _below(text: str, number: int) -> bool:
    try:
        return generation_of(text) < number
    except WrapUnknown:
        return True


def _aad(tenant: int, version: int) -> bytes:
    return b"obscura/citadel/tenant-key/1" + struct.pack(">QI", tenant, version)
