"""The memory of every process of a stack and of both servers, through /proc: root reads all of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from obscura.local import leftovers
from obscura.local.chaos.needles import PART, Found, Needles

_MAP = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) (\d+)\s*(.*)")
_PAGES = re.compile(r"(?:Rss|Swap): +(\d+) kB")
_KERNELS = ("[vvar", "[vsyscall]")
"""Pages of the kernel's in every process, that are not read through /proc."""


class Region(NamedTuple):
    """A mapping."""

    start: int
    end: int
    shared: tuple[str, str, str] | None
    name: str


@dataclass
class Looked:
    """What came of looking.

    :param found: by name of the process
    :param unread: what could not be read, in words
    """

    found: dict[str, Counter[Found]] = field(default_factory=dict)
    processes: int = 0
    read_bytes: int = 0
    unread: list[str] = field(default_factory=list)


def processes(var: Path, *, but: set[int]) -> dict[int, str]:
    """The pids of the stack and of both servers, each with the name of whom it belongs to.

    :param but: not these, nor what they started
    """
    state = json.loads((var / "run" / "stack.json").read_text())
    leaders = {pid: name for name, (pid, _) in state["children"].items()}
    found = dict(_family(state["supervisor"][0], "stack", leaders, but))
    postgres = (var / "postgres" / "postmaster.pid").read_text().split()[0]
    valkey = (var / "valkey" / "valkey.pid").read_text()
    for pid, name in ((int(postgres), "postgres"), (int(valkey), "valkey")):
        found |= _family(pid, name, {}, but)
    return found


def look(pids: dict[int, str], needles: Needles) -> Looked:
    """Look through all that these processes have in memory. Whoever ends meanwhile is left out."""
    looked, shared = Looked(), set[tuple[str, str, str]]()
    for pid, name in pids.items():
        try:
            _look_at(pid, name, needles, looked, shared)
        except PermissionError:
            looked.unread.append(f"memory of {name} (pid {pid}): not ours to read; be root")
        except (FileNotFoundError, ProcessLookupError):
            continue
        looked.processes += 1
    return looked


def _family(pid: int, name: str, leaders: dict[int, str], but: set[int]) -> Iterator[tuple[int, str]]:
    if pid in but:
        return
    yield pid, name
    for child in leftovers.children(pid):
        yield from _family(child, leaders.get(child, name), leaders, but)


def _look_at(pid: int, name: str, needles: Needles, looked: Looked, shared: set[tuple[str, str, str]]) -> None:
    found = looked.found.setdefault(name, Counter())
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for region in _regions(pid):
            if region.shared in shared:
                continue
            if region.shared is not None:
                shared.add(region.shared)
            for data in _parts(memory, region, needles.overlap, looked, f"{name} (pid {pid})"):
                looked.read_bytes += len(data)
                found += needles.count(data, within=PART)


def _parts(memory: BinaryIO, region: Region, overlap: int, looked: Looked, whose: str) -> Iterator[bytes]:
    for at in range(region.start, region.end, PART):
        wanted = min(PART + overlap, region.end - at)
        data = b""
        try:
            memory.seek(at)
            while len(data) < wanted and (more := memory.read(wanted - len(data))):
                data += more
        except ProcessLookupError:
            return
        except OSError as error:
            looked.unread.append(f"memory of {whose}, {region.name or 'unnamed'} at {at:x}: {error.strerror}")
        yield data


def _regions(pid: int) -> Iterator[Region]:
    """What may be read and has pages: of memory that nobody has touched there is nothing to read."""
    region, pages, readable = None, 0, False
    for line in [*Path(f"/proc/{pid}/smaps").read_text().splitlines(), "0-0 ---- 0 0 0 "]:
        if head := _MAP.match(line):
            if region is not None and readable and (pages or region.shared):
                yield region
            start, end, rights, offset, device, inode, name = head.groups()
            key = (device, inode, offset) if rights[3] == "s" else None
            region, pages = Region(int(start, 16), int(end, 16), key, name), 0
            readable = rights[0] == "r" and not name.startswith(_KERNELS)
        elif size := _PAGES.match(line):
            pages += int(size[1])
