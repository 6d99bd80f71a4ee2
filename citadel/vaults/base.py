"""What a vault is: the holder of key versions, who wraps and unwraps data keys and never gives a key away."""

from __future__ import annotations

from typing import Protocol

from citadel.domain.envelope import KeyWrapper


class Vault(KeyWrapper, Protocol):
    """A provider of key versions. Errors are those of `citadel.domain.envelope`."""

    @property
    def active_version(self) -> int:
        """The version new values are sealed under."""
        ...

    @property
    def minimum_version(self) -> int:
        """The oldest version that is still opened."""
        ...
