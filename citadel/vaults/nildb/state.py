"""What this side keeps of a nilDB key: enough to know every share again, too little to make the key without the nodes.

A version's entry is authenticated: the wrap of its material, by the local provider, is bound to all the rest of it. An
entry that was edited, or copied to another version, opens nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from citadel.vaults.nildb import shares
from citadel.vaults.provider import ProviderUnavailable, StateLost


class StateStore(Protocol):
    """Where the record is kept: a file here, a row elsewhere."""

    def load(self) -> str | None:
        """The record; None where there is none.

        :raises StateLost: it cannot be read
        """
        ...

    def replace(self, *, old: str | None, new: str) -> bool:
        """Put `new` in the place of exactly `old`, all or nothing; False if something else stands there.

        :raises ProviderUnavailable: it failed, and which of the two stands there is not known
        """
        ...


class FileStore:
    """The record in one file, for its owner's eyes alone. Processes of one machine may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"FileStore({self._path})"

    def load(self) -> str | None:
        """The text of the file; None where there is none."""
        try:
            return self._path.read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            raise StateLost("the state file cannot be read") from None

    def replace(self, *, old: str | None, new: str) -> bool:
        """A new file is written, forced to the disk, and renamed over the old one."""
        try:
            return self._replace(old, new)
        except OSError:
            raise ProviderUnavailable("the state file cannot be written") from None

    def _replace(self, old: str | None, new: str) -> bool:
        # The lock is on a file of its own: the state file itself is another one after each rename.
        with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.load() != old:
                return False
            handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
            try:
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    file.write(new)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            directory = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
            return True


@dataclass(frozen=True)
class Version:
    """One version of the provider's key. `material` is a text of the local provider."""

    kid: str
    document: str
    shares: tuple[str, ...]
    kcv: str
    material: str

    def aad(self, *, number: int, collection: str) -> bytes:
        """What the wrap of the material is bound to: everything else of the entry, and its number."""
        rest = {**asdict(self), "number": number, "collection": collection}
        del rest["material"]
        return b"obscura/nildb/version/1" + json.dumps(rest, sort_keys=True).encode()


@dataclass(frozen=True)
class State:
    """The collection on the nodes, and the versions there are.

    :param made: Unix milliseconds at which a version was made; records from before have none
    :param owed: (kid, node): shares of versions that were destroyed, which a node has not deleted yet
    """

    collection: str
    versions: dict[int, Version]
    made: dict[int, int] = field(default_factory=dict)
    owed: tuple[tuple[str, int], ...] = ()

    @property
    def active(self) -> int:
        """The latest version.

        :raises StateLost: there is none: the provider was never finished
        """
        if not self.versions:
            raise StateLost("the state holds no version yet: establish the provider again")
        return max(self.versions)

    def dump(self) -> str:
        """The record as text."""
        versions = {str(number): asdict(one) for number, one in sorted(self.versions.items())}
        raw: dict[str, Any] = {"format": 1, "collection": self.collection, "versions": versions}
        if self.made:
            raw["made"] = {str(number): at for number, at in sorted(self.made.items())}
        if self.owed:
            raw["owed"] = [list(one) for one in self.owed]
        return json.dumps(raw, indent=1) + "\n"

    @classmethod
    def parse(cls, text: str | None) -> State:
        """The record of a text.

        :raises StateLost: there is none, or it is not one that `dump` wrote
        """
        if text is None:
            raise StateLost("there is no state: establish the provider, or restore its state from a backup")
        try:
            raw = json.loads(text)
            state = cls(
                collection=_text(raw["collection"]),
                versions={int(number): _version(one) for number, one in raw["versions"].items()},
                made={int(number): int(at) for number, at in raw.get("made", {}).items()},
                owed=tuple((_text(kid), int(node)) for kid, node in raw.get("owed", [])),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise StateLost("the state is not readable: restore it from a backup") from None
        if state.dump() != text:
            raise StateLost("the state is not as it was written: restore it from a backup")
        return state


def _version(raw: dict[str, Any]) -> Version:
    kept = tuple(_text(one) for one in raw["shares"])
    if len(kept) != shares.NODES:
        raise ValueError
    return Version(
        kid=_text(raw["kid"]),
        document=_text(raw["document"]),
        shares=kept,
        kcv=_text(raw["kcv"]),
        material=_text(raw["material"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
