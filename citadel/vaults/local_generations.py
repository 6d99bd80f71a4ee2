"""The key provider on this machine: random generations in one file, wrapped by the root key, erased in place.

The file is opened before the signer's sandbox closes, and nothing is opened later. It has 16 places of 128 bytes: a
generation is written into a free one, and destroyed by zeros over it, each forced to the disk. A place that was written
in part counts as free. Generation 1 is older than the file: it follows from the root key, and can be closed but not
erased.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from citadel.vaults.local import derive
from citadel.vaults.provider import (
    KEY,
    NONCE,
    TAG,
    Generations,
    GenerationsMany,
    ProviderUnavailable,
    StateLost,
    WrapUnknown,
    open_key,
    seal_key,
    split_wrapped,
)

FILE = "generations"
DERIVED = 1
PLACES, SIZE = 16, 128
_CLOSED_AT = PLACES * SIZE
"""One byte behind the places: whether generation 1 is closed."""

_HEAD = struct.Struct(">4sIQ")
_MAGIC = b"OKG1"
_WRITTEN = _HEAD.size + NONCE + KEY + TAG


class _Kept(NamedTuple):
    place: int
    made_ms: int
    key: bytes


class LocalGenerations:
    """``local:n:...``. May be used by one process at a time.

    :raises StateLost: the file is of another root key, or cannot be read
    """

    name = "local"

    def __init__(self, *, root: bytes, folder: Path, now: Callable[[], float] = time.time) -> None:
        if len(root) != KEY:
            raise ValueError("a root key has 32 bytes")
        self._now, self._wrapping = now, AESGCM(derive(root, "provider/generations/1"))
        self._first: bytes | None = derive(root, f"provider/v{DERIVED}")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file: int | None = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._file, _CLOSED_AT + 1)
            self._kept = self._read()
            if os.pread(self._file, 1, _CLOSED_AT) != b"\0":
                self._first = None
        except OSError:
            raise StateLost("the file of the generations cannot be opened") from None
        if not self._kept:
            self.rotate()

    def __repr__(self) -> str:
        return f"LocalGenerations({len(self._kept)})"

    def wrap(self, *, key: bytes, aad: bytes) -> str:
        """``local:n:...`` under the latest generation."""
        number = max(self._open(), default=DERIVED)
        return seal_key(name=self.name, version=number, kek=self._kek(number), key=key, aad=aad)

    def unwrap(self, *, wrapped: str, aad: bytes) -> bytes:
        """The key that was wrapped under one of the generations there are."""
        number, raw = split_wrapped(name=self.name, wrapped=wrapped)
        return open_key(name=self.name, version=number, kek=self._kek(number), raw=raw, aad=aad)

    def rotate(self) -> int:
        """A new random generation, on the disk before it is used.

        :raises GenerationsMany: there is no free place
        """
        kept = self._open()
        free = set(range(PLACES)) - {one.place for one in kept.values()}
        if not free:
            raise GenerationsMany
        number, made_ms, key = max(kept, default=DERIVED) + 1, int(self._now() * 1000), os.urandom(KEY)
        head, nonce = _HEAD.pack(_MAGIC, number, made_ms), os.urandom(NONCE)
        body = head + nonce + self._wrapping.encrypt(nonce, key, head)
        place = min(free)
        self._write(place, (body + hashlib.sha256(body).digest()).ljust(SIZE, b"\0"))
        self._kept = {**kept, number: _Kept(place, made_ms, key)}
        return number

    def generations(self) -> Generations:
        """Those that open; 1 as made at 0."""
        kept = self._open()
        made = {number: one.made_ms for number, one in sorted(kept.items())}
        return Generations({DERIVED: 0, **made} if self._first is not None else made, ())

    def destroy(self, *, below: int) -> Generations:
        """Zeros over every generation below one. May be repeated.

        :raises ValueError: the latest would be gone
        """
        kept = self._open()
        if below > max(kept, default=DERIVED):
            raise ValueError("the latest generation is not destroyed")
        for number in [one for one in kept if one < below]:
            self._write(kept[number].place, bytes(SIZE))
            self._kept = {other: one for other, one in self._kept.items() if other != number}
        if below > DERIVED and self._first is not None:
            self._put(b"\1", _CLOSED_AT)
            self._first = None
        return self.generations()

    def close(self) -> None:
        """Forget the keys and close the file."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._first, self._kept = None, None, {}

    def _open(self) -> dict[int, _Kept]:
        if self._file is None:
            raise ProviderUnavailable("the provider is closed")
        return self._kept

    def _kek(self, number: int) -> bytes:
        kept = self._open()
        if number in kept:
            return kept[number].key
        if number == DERIVED and self._first is not None:
            return self._first
        raise WrapUnknown

    def _read(self) -> dict[int, _Kept]:
        found: dict[int, _Kept] = {}
        for place in range(PLACES):
            record = os.pread(self._open_file(), SIZE, place * SIZE)
            body, check = record[:_WRITTEN], record[_WRITTEN : _WRITTEN + 32]
            if hashlib.sha256(body).digest() != check:
                continue
            _, number, made_ms = _HEAD.unpack_from(body)
            nonce, sealed = body[_HEAD.size : _HEAD.size + NONCE], body[_HEAD.size + NONCE :]
            try:
                found[number] = _Kept(place, made_ms, self._wrapping.decrypt(nonce, sealed, body[: _HEAD.size]))
            except InvalidTag:
                raise StateLost("the generations are of another root key") from None
        return found

    def _write(self, place: int, record: bytes) -> None:
        self._put(record, place * SIZE)

    def _put(self, data: bytes, at: int) -> None:
        try:
            if os.pwrite(self._open_file(), data, at) != len(data):
                raise ProviderUnavailable("the file of the generations was written in part")
            os.fsync(self._open_file())
        except OSError:
            raise ProviderUnavailable("the file of the generations cannot be written") from None

    def _open_file(self) -> int:
        if self._file is None:
            raise ProviderUnavailable("the provider is closed")
        return self._file
