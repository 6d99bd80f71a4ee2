"""Ways to hurt a running stack: processes killed or frozen, streams cut or gone silent, answers that never come."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from obscura.local import leftovers
from obscura.local.venue import Control

FROZEN_S = 3.0  # longer than the receive window: what it would still send is stale
SILENT_ANSWERS = 20
APPEAR_S = 8.0


class Killer:
    """Draws its victims with a seed, so that a run can be repeated."""

    def __init__(self, *, var: Path, control: Control, label: str, seed: int) -> None:
        self._state, self._control, self._label = var / "run" / "stack.json", control, label
        self._random = random.Random(seed)
        self._thawing: list[threading.Thread] = []
        self.ways: dict[str, Callable[[], str]] = {
            "an order worker's child": lambda: self._kill_child("orders"),
            "sentinel": lambda: self._kill("sentinel"),
            "lead streams cut": self._drop,
            "order worker": lambda: self._kill("orders"),
            "egress": lambda: self._kill("egress"),
            "signer": lambda: self._kill("signer"),
            "lead streams half open": self._half_open,
            "answers lost after execution": self._silence,
            "an order worker's child frozen": self._freeze,
            "urgent worker": lambda: self._kill("urgent"),
            "jobs": lambda: self._kill("jobs"),
            "beat": lambda: self._kill("beat"),
            "guard": lambda: self._kill("guard"),
        }

    def plan(self, *, kills: int, seconds: float) -> list[tuple[float, str]]:
        """When to do what: one moment drawn in each of `kills` equal parts of the time, ways in drawn order.

        Of the first five ways each comes before any other: workers, sentinel and venue connections always have a turn.
        """
        names = list(self.ways)
        first, rest = names[:5], names[5:]
        self._random.shuffle(first)
        self._random.shuffle(rest)
        order = [*first, *rest]
        part = seconds / max(1, kills)
        return [((n + self._random.uniform(0.1, 0.9)) * part, order[n % len(order)]) for n in range(kills)]

    def finish(self) -> None:
        """Wait until whatever was frozen is thawed."""
        for thread in self._thawing:
            thread.join()

    # the ways
    def _kill(self, name: str) -> str:
        pid = self._pid(name)
        os.kill(pid, signal.SIGKILL)
        return f"pid {pid}"

    def _kill_child(self, name: str) -> str:
        pid = self._child(name)
        os.kill(pid, signal.SIGKILL)
        return f"pid {pid}"

    def _freeze(self) -> str:
        pid = self._child("orders")
        os.kill(pid, signal.SIGSTOP)

        def thaw() -> None:
            time.sleep(FROZEN_S)
            if leftovers.started(pid) is not None:
                os.kill(pid, signal.SIGCONT)

        self._thawing.append(threading.Thread(target=thaw))
        self._thawing[-1].start()
        return f"pid {pid} for {FROZEN_S:.0f} s"

    def _drop(self) -> str:
        return f"{self._control.drop()} connections"

    def _half_open(self) -> str:
        self._control.faults(half_open=True)
        return "until somebody notices"

    def _silence(self) -> str:
        self._control.faults(label=self._label, timeout_after_execution=SILENT_ANSWERS)
        return f"the next {SILENT_ANSWERS}"

    def _pid(self, name: str) -> int:
        """The pid of a process; one that is just being started again is waited for."""
        end = time.monotonic() + APPEAR_S
        while time.monotonic() < end:
            children = json.loads(self._state.read_text())["children"]
            if name in children and leftovers.started(children[name][0]) == children[name][1]:
                return int(children[name][0])
            time.sleep(0.02)
        raise Gone(name)

    def _child(self, name: str) -> int:
        end = time.monotonic() + APPEAR_S
        while time.monotonic() < end:
            leader = self._pid(name)
            children = [pid for pid in leftovers.members(leader) if pid != leader]
            if children:
                return self._random.choice(sorted(children))
            time.sleep(0.02)
        raise Gone(name)


class Gone(Exception):
    """A process that was to be killed is not there and does not come back."""
