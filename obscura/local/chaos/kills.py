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

from obscura.local import embedded, leftovers
from obscura.local.venue import Control

SILENT_ANSWERS = 20
STORM_MS = 2_500.0
STORE_AWAY_S = 1.0
APPEAR_S = 20.0


class Killer:
    """Draws its victims with a seed, so that a run can be repeated.

    :param label: whose requests at the venue are hurt
    :param venue_ms: what the venue takes before each of their executions, and again after it
    :param lease_s: for longer than this a worker is frozen: what it claimed, others have asked about when it wakes
    """

    def __init__(self, *, var: Path, control: Control, label: str, seed: int, venue_ms: float, lease_s: float) -> None:
        self._state, self._control, self._label = var / "run" / "stack.json", control, label
        self._venue_ms, self._frozen_s = venue_ms, lease_s + 1.5
        self._random = random.Random(seed)
        self._thawing: list[threading.Thread] = []
        self._postgres, self._valkey = embedded.servers(var)
        self.ways: dict[str, Callable[[], str]] = {
            "order worker child killed": lambda: self._kill_child("orders"),
            "sentinel killed": lambda: self._kill("sentinel"),
            "lead streams cut": self._drop,
            "order worker killed": lambda: self._kill("orders"),
            "egress killed": lambda: self._kill("egress"),
            "signer killed": lambda: self._kill("signer"),
            "lead streams half open": self._half_open,
            "answers lost after execution": self._silence,
            "order worker child frozen": self._freeze,
            "storm of 429": self._storm,
            "venue killed": self._restart_venue,
            "database killed": lambda: self._restart_database(signal.SIGKILL),
            "database stopped at once": lambda: self._restart_database(signal.SIGQUIT),
            "database session killed": self._kill_session,
            "valkey killed and emptied": self._lose_valkey,
            "urgent worker killed": lambda: self._kill("urgent"),
            "jobs killed": lambda: self._kill("jobs"),
            "beat and guard killed": lambda: f"{self._kill('beat')} and {self._kill('guard')}",
            "market killed": lambda: self._kill("market"),
            "web killed": lambda: self._kill("web"),
        }

    def slow(self) -> None:
        """Have the venue take its time, so that work is in flight whenever somebody dies."""
        self._control.faults(label=self._label, rtt_ms=self._venue_ms, pre_ms=self._venue_ms)

    def plan(self, *, kills: int, seconds: float, only: str = "") -> list[tuple[float, str]]:
        """When to do what: one moment drawn in each of `kills` equal parts of the time, ways in drawn order.

        Of the first five ways each comes before any other: workers, sentinel and venue connections always have a turn.
        """
        names = list(self.ways)
        first, rest = names[:5], names[5:]
        self._random.shuffle(first)
        self._random.shuffle(rest)
        order = [name for name in (*first, *rest) if only in name]
        if not order:
            raise SystemExit(f"no way is called {only!r}; there are: {', '.join(self.ways)}")
        part = seconds / max(1, kills)
        return [((n + self._random.uniform(0.1, 0.9)) * part, order[n % len(order)]) for n in range(kills)]

    def finish(self) -> None:
        """Wait until whatever was frozen is thawed."""
        for thread in self._thawing:
            thread.join()

    # the ways
    def _kill(self, name: str) -> str:
        pid = self.pid(name)
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
            time.sleep(self._frozen_s)
            if leftovers.started(pid) is not None:
                os.kill(pid, signal.SIGCONT)

        self._thawing.append(threading.Thread(target=thaw))
        self._thawing[-1].start()
        return f"pid {pid} for {self._frozen_s:.1f} s"

    def _drop(self) -> str:
        return f"{self._control.drop()} connections"

    def _half_open(self) -> str:
        self._control.faults(half_open=True)
        return "until somebody notices"

    def _silence(self) -> str:
        self._control.faults(label=self._label, timeout_after_execution=SILENT_ANSWERS)
        return f"the next {SILENT_ANSWERS}"

    def _storm(self) -> str:
        self._control.faults(label=self._label, busy_ms=STORM_MS)
        return f"every order and question for {STORM_MS / 1000:.1f} s"

    def _restart_venue(self) -> str:
        began = time.monotonic()
        pid = self.pid("paper")
        os.kill(pid, signal.SIGKILL)
        while self.pid("paper") == pid:
            time.sleep(0.02)
        self._control.wait()
        self.slow()  # what a venue was told to do wrong, it forgets with its life
        return f"pid {pid}, back after {time.monotonic() - began:.1f} s"

    def _restart_database(self, number: int) -> str:
        began = time.monotonic()
        pid = self._postgres.crash(number)
        time.sleep(STORE_AWAY_S)
        self._postgres.start()
        return f"pid {pid}, back after {time.monotonic() - began:.1f} s"

    def _kill_session(self) -> str:
        return f"pid {self._postgres.crash_session(self._random.choice)}"

    def _lose_valkey(self) -> str:
        began = time.monotonic()
        pid = self._valkey.lose()
        time.sleep(STORE_AWAY_S)
        self._valkey.start()
        return f"pid {pid}, back after {time.monotonic() - began:.1f} s, empty"

    def pid(self, name: str) -> int:
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
            leader = self.pid(name)
            children = [pid for pid in leftovers.members(leader) if pid != leader]
            if children:
                return self._random.choice(sorted(children))
            time.sleep(0.02)
        raise Gone(name)


class Gone(Exception):
    """A process that was to be killed is not there and does not come back."""
