"""The venue's memory: an append-only file of JSON lines, in the hands of the OS before anything is acknowledged."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import orjson


class Journal:
    """Lines of `[kind, ...]`. Killed at any moment, what was written is read back on the next start.

    The file holds API secrets, so it is readable by its owner alone. A last line cut short by a crash was
    never acknowledged to anybody and is cut off.

    :raises BlockingIOError: another venue runs on the same directory
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "journal.jsonl"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(self._file, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def replay(self) -> Iterator[list]:
        """Every whole line in order; then the file ends exactly after the last whole line."""
        whole = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                yield orjson.loads(line)
        os.ftruncate(self._file, whole)

    def write(self, entry: list) -> None:
        """Hand one line to the OS. A full disk raises, and then nothing has happened and nothing is answered."""
        line = orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
        written = os.write(self._file, line)
        if written != len(line):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError("journal: the disk took only part of a line")

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)
