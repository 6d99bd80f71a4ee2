"""The key provider on this machine: its versions follow from the root key, and nothing of it is stored."""

from __future__ import annotations

from citadel.vaults.local import derive
from citadel.vaults.provider import ProviderUnavailable, WrapUnknown, open_key, seal_key, split_wrapped


class LocalProvider:
    """Version n is HKDF(root, "provider/v{n}"). Which versions there are is configuration: `minimum` to `active`."""

    name = "local"

    def __init__(self, *, root: bytes, active: int = 1, minimum: int = 1) -> None:
        if len(root) != 32 or not 1 <= minimum <= active <= 999_999_999:
            raise ValueError("a root key has 32 bytes, and 1 <= minimum <= active version")
        self.active_version = active
        self.minimum_version = minimum
        self._root: bytes | None = root
        self._keys = {version: _key(root, version) for version in range(minimum, active + 1)}

    def __repr__(self) -> str:
        return f"LocalProvider(v{self.minimum_version}..v{self.active_version})"

    def wrap(self, *, key: bytes, aad: bytes) -> str:
        """``local:version:...`` under the active version."""
        version = self.active_version
        return seal_key(name=self.name, version=version, kek=self._kek(version), key=key, aad=aad)

    def unwrap(self, *, wrapped: str, aad: bytes) -> bytes:
        """The key that was wrapped under one of the versions held."""
        version, raw = split_wrapped(name=self.name, wrapped=wrapped)
        return open_key(name=self.name, version=version, kek=self._kek(version), raw=raw, aad=aad)

    def rotate(self) -> int:
        """The next version, in this process.

        Raise the configured active version to the number that is returned, before the next start: until then another
        process answers WrapUnknown to what is wrapped from now on.
        """
        if self._root is None:
            raise ProviderUnavailable("the provider is closed")
        version = self.active_version + 1
        self._keys = {**self._keys, version: _key(self._root, version)}
        self.active_version = version
        return version

    def close(self) -> None:
        """Forget the root key and the versions."""
        self._root = None
        self._keys = {}

    def _kek(self, version: int) -> bytes:
        if self._root is None:
            raise ProviderUnavailable("the provider is closed")
        try:
            return self._keys[version]
        except KeyError:
            raise WrapUnknown from None


def _key(root: bytes, version: int) -> bytes:
    return derive(root, f"provider/v{version}")
