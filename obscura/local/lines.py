"""One readable log of many processes: each line begins with the name of who wrote it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO, TextIO

COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94, 91)
KEEP_BYTES = 4 << 20
LONGEST_LINE = 16_384
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Splitter:
    """Bytes in, whole lines out; a line without end is cut where it grows too long."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            whole.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", "replace").rstrip() for line in whole if line.strip()]

    def end(self) -> list[str]:
        """What was begun and not ended."""
        rest, self._rest = self._rest, b""
        return [rest.decode("utf-8", "replace").rstrip()] if rest.strip() else []


class Log:
    """Writes lines to the terminal with the process's name before each, and to a file for each process.

    :param quiet: names whose lines go to their file alone
    """

    def __init__(self, *, folder: Path, out: TextIO, names: list[str], quiet: frozenset[str] = frozenset()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._out, self._quiet = folder, out, quiet
        self._width = max((len(name) for name in names), default=6)
        self._colour = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
        self._files: dict[str, BinaryIO] = {}
        self._tty = out.isatty()

    def line(self, name: str, text: str) -> None:
        self._file(name).write(_ESCAPES.sub("", text).encode() + b"\n")
        if name in self._quiet:
            return
        try:
            print(shown(name, text, width=self._width, colour=self._colour.get(name) if self._tty else None),
                  file=self._out, flush=True)  # fmt: skip
        except OSError:
            self._quiet = frozenset({*self._quiet, *self._colour, name})  # nobody reads any more: the files remain

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _file(self, name: str) -> BinaryIO:
        if name not in self._files:
            path = self._folder / f"{name}.log"
            if path.exists() and path.stat().st_size > KEEP_BYTES:
                path.replace(path.with_suffix(".log.1"))
            self._files[name] = path.open("ab", buffering=0)
        return self._files[name]


def shown(name: str, text: str, *, width: int, colour: int | None) -> str:
    """A line as the terminal shows it: name, a bar, the text; the name in colour where one is given."""
    head = f"{name:<{width}} |"
    return f"\x1b[{colour}m{head}\x1b[0m {text}" if colour else f"{head} {text}"
