"""The first thing a local command does: choose the state folder and keep compiled bytecode there.

Imported before anything heavy. Python compiles ccxt and Django anew in every process where no bytecode may be kept,
which costs five seconds a start; kept beside the data it costs none, and the checkout stays clean.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

BASE = Path(__file__).resolve().parents[2]


def prepare(*, var: Path | None = None, bytecode: Path | None = None) -> Path:
    """Set what child processes and settings read from the environment. Returns the state folder.

    :param var: the state folder; by default OBSCURA_VAR, or `var` in the checkout
    :param bytecode: where compiled modules are kept; by default in the checkout's `var`, whatever the state folder
    """
    folder = (var or Path(os.environ.get("OBSCURA_VAR") or BASE / "var")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["OBSCURA_VAR"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obscura.settings.local")
    kept = str(bytecode or BASE / "var" / "bytecode")
    sys.pycache_prefix, sys.dont_write_bytecode = kept, False
    os.environ["PYTHONPYCACHEPREFIX"] = kept
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.chdir(BASE)
    return folder


def since_start_ms() -> float:
    """Milliseconds since the kernel started this process, the interpreter's own start included."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return (time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1000
