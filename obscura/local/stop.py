"""`python -m obscura.local.stop`: stop the stack, what a killed one left behind, and the embedded servers."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from obscura.local import boot, embedded, leftovers

PATIENCE_S = 8.0


def main() -> int:
    var = boot.prepare()
    for folder in (var, *sorted(path.parent for path in var.glob("*/ports.json"))):
        stop(folder)
    return 0


def stop(var: Path) -> None:
    """Stop everything of one state folder; its data stays."""
    state = var / "run" / "stack.json"
    if pid := leftovers.supervisor(state):
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + PATIENCE_S
        while leftovers.supervisor(state) and time.monotonic() < end:
            time.sleep(0.05)
    if found := leftovers.stop(state):
        print(f"stopped {', '.join(found)}")
    if (var / "ports.json").exists():
        embedded.stop(var)


if __name__ == "__main__":
    sys.exit(main())
