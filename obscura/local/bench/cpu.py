"""CPU time and memory of the processes of a stack, read from the kernel: nanoseconds, children included."""

from __future__ import annotations

import json
from pathlib import Path

from obscura.local import leftovers

STORES = ("postgresql", "valkey")


def pids(var: Path) -> dict[str, list[int]]:
    """The processes of each part, by name: those of the stack with their children, and the two stores."""
    kept = json.loads((var / "run" / "stack.json").read_text())["children"]
    found = {name: leftovers.members(pid) for name, (pid, _) in kept.items()}
    found["postgresql"] = _with_children(_first_number(var / "postgres" / "postmaster.pid"))
    found["valkey"] = _with_children(_first_number(var / "valkey" / "valkey.pid"))
    return {name: members for name, members in found.items() if members}


def used_ns(groups: dict[str, list[int]]) -> dict[str, int]:
    """CPU nanoseconds that each part has used so far."""
    return {name: sum(_used(pid) for pid in members) for name, members in groups.items()}


def difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """What was used in between."""
    return {name: max(0, value - before.get(name, 0)) for name, value in after.items()}


class Meter:
    """Adds up what is used while it runs; pauses between runs are not counted."""

    def __init__(self, groups: dict[str, list[int]]) -> None:
        self.groups = groups
        self.used: dict[str, int] = dict.fromkeys(groups, 0)
        self._before: dict[str, int] = {}

    def __enter__(self) -> Meter:
        self._before = used_ns(self.groups)
        return self

    def __exit__(self, *_: object) -> None:
        for name, value in difference(self._before, used_ns(self.groups)).items():
            self.used[name] += value


def memory_mb(groups: dict[str, list[int]], names: tuple[str, ...]) -> float:
    """Megabytes of the named parts, pages they share counted once among them (PSS)."""
    return round(sum(_pss_kb(pid) for name in names for pid in groups.get(name, ())) / 1024, 1)


def _used(pid: int) -> int:
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(path.read_text().split()[0])
        except (OSError, IndexError):
            continue  # a thread that ended in between
    return total


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _first_number(path: Path) -> int:
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _with_children(pid: int) -> list[int]:
    """A process and its direct children; none where there is no such process (a server of somebody else)."""
    if not pid or leftovers.started(pid) is None:
        return []
    return [pid, *leftovers.children(pid)]
