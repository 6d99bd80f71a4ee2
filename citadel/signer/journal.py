"""What the signer must still know after it was killed: ids it signed, sums it let through, numbers of mandates.

Two files take turns. The one in use begins with a snapshot and goes on with records, each one msgpack value; a tail
that was cut short is left out. When it has grown long, a new snapshot is written whole into the other one, and only
then is that one in use. Both are opened before the signer's sandbox closes; nothing is opened later.

A killed process loses nothing: what it wrote is the kernel's. A machine that loses its power may lose about the last
second; by the time it is back, every signature of that second has left its receive window.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack

LONG = 64 << 20
"""Bytes of records after which a new snapshot is due."""

_MAX_RECORD = 256 << 20
_BEGIN, _END = "begin", "end"


class Journal:
    """Records in the order they were written, those of the last run first.

    :param folder: private to the signer; made where it is not there
    """

    def __init__(self, folder: Path, *, long: int = LONG) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._files = [os.open(folder / f"journal.{n}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for n in (0, 1)]
        self._long, self._size, self._generation, self._active = long, 0, 0, 0
        self._packer = msgpack.Packer(use_bin_type=True)
        self._dirty = False

    def read(self) -> Iterator[Any]:
        """What the newest whole snapshot holds and what was recorded after it. Call it once, before `begin`."""
        found = [(self._generation_of(fd), n) for n, fd in enumerate(self._files)]
        self._generation, self._active = max(found)
        if self._generation:
            for record in _records(self._files[self._active]):
                if record[0] not in (_BEGIN, _END):
                    yield record

    def begin(self, snapshot: Iterator[Any]) -> None:
        """Write a snapshot into the file that is not in use, then use that one."""
        other = 1 - self._active
        fd = self._files[other]
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        self._size = 0
        self._generation += 1
        parts = [self._packer.pack([_BEGIN, self._generation])]
        parts += [self._packer.pack(record) for record in snapshot]
        parts.append(self._packer.pack([_END, self._generation]))
        _write(fd, b"".join(parts))
        os.fdatasync(fd)
        self._active = other

    def record(self, record: list[Any]) -> None:
        """Add one record. It is the kernel's when this returns.

        :raises OSError: it could not be written; what was to be signed must not be
        """
        data = self._packer.pack(record)
        _write(self._files[self._active], data)
        self._size += len(data)
        self._dirty = True

    @property
    def long(self) -> bool:
        """Whether a snapshot is due."""
        return self._size > self._long

    def sync_beside(self, *, every: float = 1.0) -> None:
        """Put what was written onto the disk once a second, in a thread: it must not hold up a signature."""

        def run() -> None:
            while True:
                time.sleep(every)
                if self._dirty:
                    self._dirty = False
                    os.fdatasync(self._files[self._active])

        threading.Thread(target=run, name="journal", daemon=True).start()

    def _generation_of(self, fd: int) -> int:
        """The generation of a file whose snapshot is whole; 0 where it is not."""
        generation = 0
        for record in _records(fd):
            if record[0] == _BEGIN:
                generation = int(record[1])
            elif record[0] == _END:
                return generation if generation == record[1] else 0
        return 0


def _records(fd: int) -> Iterator[list[Any]]:
    os.lseek(fd, 0, os.SEEK_SET)
    with os.fdopen(os.dup(fd), "rb") as file:
        unpacker = msgpack.Unpacker(file, raw=False, max_buffer_size=_MAX_RECORD, use_list=True)
        while True:
            try:
                record = next(unpacker)
            except (StopIteration, ValueError, msgpack.UnpackException):
                return  # the end, or a record that was cut short by a death
            if not isinstance(record, list) or not record:
                return
            yield record


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
