"""Starts processes by fork or exec, reads what they say, starts again what died, stops all of them in order.

One thread and one selector: a fork of this process copies no lock that somebody holds and no connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from obscura.local import leftovers
from obscura.local.lines import Log, Splitter

_PR_SET_PDEATHSIG = 1
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
SETTLED_S = 20.0
"""A process that lived so long has settled: its next death is a first one again."""
STOPPED = 130
"""The exit code of a driver that was asked to stop before its end."""
STOP_LIMIT_S = 4.5
LAST_WORD_S = 0.5
"""What a wave leaves to each wave behind it."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A process to run.

    :param command: a program to execute; or
    :param run: a function to call in a fork of this process
    :param env: added to the environment
    :param wave: processes stop in the order of their waves, lowest first
    :param once: not started again when it ends
    :param nice: how far it stands back where processors are few
    """

    name: str
    command: Sequence[str] = ()
    run: Callable[[], int | None] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    wave: int = 1
    once: bool = False
    nice: int = 0


@dataclass(slots=True)
class Child:
    spec: Spec
    pid: int = 0
    pipe: int = -1
    since: float = 0.0
    deaths: int = 0
    due: float = 0.0  # when to start it again; 0 while it runs
    code: int | None = None
    lines: Splitter = field(default_factory=Splitter)


class Supervisor:
    """Runs specs until told to stop."""

    def __init__(self, *, log: Log, state: Path) -> None:
        self.log, self.state = log, state
        self.children: dict[str, Child] = {}
        self.stopping = False
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ, None)

    # what callers use
    def start(self, spec: Spec) -> None:
        """Start a process now."""
        child = self.children.setdefault(spec.name, Child(spec))
        self._spawn(child)

    def signals(self) -> None:
        """Wake for the death of a child, and stop on SIGINT and SIGTERM."""
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)

    def wait_for(self, name: str, *, limit: float) -> int | None:
        """Go on until this process has ended; its exit code, None where it did not end in time or we must stop."""
        end = time.monotonic() + limit
        while time.monotonic() < end and not self.stopping:
            if (code := self.children[name].code) is not None:
                return code
            self._turn(min(0.5, max(0.0, end - time.monotonic())))
        return None

    def serve(self, until: str | None = None) -> int:
        """Go on until a signal comes or the process `until` ends. Returns its exit code, 0 without one."""
        while not self.stopping:
            if until and self.children[until].code is not None:
                break
            self._turn(0.5)
        code = self.children[until].code if until else 0
        return STOPPED if code is None else code

    def stop(self) -> None:
        """Stop all, wave by wave, within five seconds: first politely, then not."""
        self.stopping = True
        waves = sorted({child.spec.wave for child in self.children.values() if child.pid})
        end = time.monotonic() + STOP_LIMIT_S
        for index, wave in enumerate(waves):
            limit = end - time.monotonic() - LAST_WORD_S * (len(waves) - index - 1)
            self._stop_wave([one for one in self.children.values() if one.spec.wave == wave and one.pid], limit)
        self._turn(0.0)
        self.state.unlink(missing_ok=True)

    # one turn
    def _asked_to_stop(self, number: int, frame: object) -> None:
        self.stopping = True

    def _turn(self, limit: float) -> None:
        now = time.monotonic()
        due = [child.due for child in self.children.values() if child.due]
        if due and not self.stopping:
            limit = max(0.0, min(limit, min(due) - now))
        for key, _ in self._selector.select(limit):
            if key.data is None:
                os.read(self._wake, 512)
            else:
                self._read(key.data)
        self._reap()
        if not self.stopping:
            for child in list(self.children.values()):
                if child.due and time.monotonic() >= child.due:
                    self._spawn(child)

    def _read(self, child: Child) -> None:
        try:
            data = os.read(child.pipe, 1 << 16)
        except BlockingIOError:
            return
        for line in child.lines.feed(data) if data else child.lines.end():
            self.log.line(child.spec.name, line)
        if not data:
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = -1

    def _reap(self) -> None:
        """Take note of every child that ended. The embedded servers were born here too: a dead one must not linger."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self.children.values():
                if child.pid == pid:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        # Whatever it had started must not go on beside its successor.
        leftovers.signal_group(child.pid, signal.SIGKILL)
        child.pid, child.code = 0, code
        while child.pipe >= 0 and self._ready(child.pipe):
            self._read(child)
        if self.stopping or child.spec.once:
            return
        lived = time.monotonic() - child.since
        child.deaths = 1 if lived > SETTLED_S else child.deaths + 1
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (child.deaths - 1))
        child.due = time.monotonic() + pause
        why = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        self.log.line("stack", f"{child.spec.name} {why}; starting it again in {pause:.1f} s")
        self._keep()

    @staticmethod
    def _ready(fd: int) -> bool:
        with selectors.SelectSelector() as one:
            one.register(fd, selectors.EVENT_READ)
            return bool(one.select(0))

    def _stop_wave(self, children: list[Child], limit: float) -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
        end = time.monotonic() + limit
        while any(child.pid for child in children) and time.monotonic() < end:
            self._turn(0.05)
        for child in children:
            if child.pid:
                self.log.line("stack", f"{child.spec.name} did not stop in time and was killed")
                leftovers.signal_group(child.pid, signal.SIGKILL)
        while any(child.pid for child in children):
            self._turn(0.05)

    # birth
    def _keep(self) -> None:
        leftovers.write(self.state, children={name: one.pid for name, one in self.children.items() if one.pid})

    def _spawn(self, child: Child) -> None:
        child.due, child.code, child.since, child.lines = 0.0, None, time.monotonic(), Splitter()
        if child.pipe >= 0:  # a grandchild may still hold the old one open
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
        child.pipe, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(child.pipe, False)
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        child.pid = os.fork()
        if child.pid == 0:
            self._become(child.spec, write, parent)
        os.close(write)
        self._selector.register(child.pipe, selectors.EVENT_READ, child)
        self._keep()

    def _become(self, spec: Spec, write: int, parent: int) -> None:
        """In the child: cut every tie to the parent, then run. Never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            # Where the supervisor dies without a word its children go too.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)
            silence = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((silence, 0), (write, 1), (write, 2)):
                os.dup2(source, target)
            os.closerange(3, 4096)
            for stream in (sys.stdout, sys.stderr):
                stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
            os.environ.update(spec.env)
            os.nice(spec.nice)
            if spec.command:
                os.execvpe(spec.command[0], list(spec.command), os.environ)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            assert spec.run is not None
            code = spec.run() or 0
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, flush=True)
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        except KeyboardInterrupt:
            code = 130
        except BaseException:  # noqa: BLE001 - a fork must never run on in its parent's code
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
