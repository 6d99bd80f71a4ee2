"""What a supervisor that was killed left running: found by its state file, told apart from strangers, stopped."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

PATIENCE_S = 3.0


def started(pid: int) -> int | None:
    """When the kernel started this process, in ticks since boot: with the pid it names one process for ever."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def write(path: Path, *, children: dict[str, int]) -> None:
    """Keep who runs: pids by name, each with its start time."""
    body = {name: [pid, started(pid)] for name, pid in children.items()}
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"supervisor": [os.getpid(), started(os.getpid())], "children": body}))
    draft.rename(path)


def running(path: Path) -> dict[str, int]:
    """The processes of the state file that are alive and still the same, or have left children behind."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    found = {}
    for name, (pid, since) in kept.get("children", {}).items():
        now = started(pid)
        # A pid is not given out again while a session of that number has members: they are ours where it is dead.
        if since and (now == since or (now is None and members(pid))):
            found[name] = pid
    return found


def members(session: int) -> list[int]:
    """The processes of a session, zombies left out. Each process of the stack leads a session of its own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def children(pid: int) -> list[int]:
    """The direct children of a process, zombies left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def supervisor(path: Path) -> int | None:
    """The pid of the supervisor that wrote the file, if it is alive."""
    try:
        pid, since = json.loads(path.read_text())["supervisor"]
    except (OSError, ValueError, KeyError):
        return None
    return int(pid) if since and started(pid) == since else None


def stop(path: Path) -> list[str]:
    """Stop what is left, with its own children; hard where it does not go. Returns the names of what was found."""
    found = running(path)
    _end(list(found.values()), patience=PATIENCE_S)
    return sorted(found)


def _end(sessions: list[int], *, patience: float) -> None:
    for session in sessions:
        signal_group(session, signal.SIGTERM)
    end = time.monotonic() + patience
    while time.monotonic() < end and any(members(session) for session in sessions):
        time.sleep(0.05)
    for session in sessions:
        signal_group(session, signal.SIGKILL)


def signal_group(pid: int, number: int) -> bool:
    """Signal a process and its children; False where there is nobody any more."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return False
    return True
