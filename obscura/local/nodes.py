"""Three nodes that keep the vault's keys in shares, for a run on one machine; one of them is taken away.

They speak nilDB's protocol and keep everything in memory, so such a run has a state folder of its own that begins
empty.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from citadel.vaults import configured
from obscura.local import boot, embedded, places

AWAY = 3


def option(parser: argparse.ArgumentParser) -> None:
    """Adds ``--keys``."""
    parser.add_argument(
        "--keys",
        choices=("local", "nildb"),
        default="local",
        help="where the vault's keys are: on this machine, or shared among three local nodes, one of them stopped",
    )


@contextlib.contextmanager
def shared(var: Path) -> Iterator[dict[str, str]]:
    """What the signer is told of three nodes that run meanwhile; the last of them is stopped once it has its share."""
    nodes = subprocess.Popen(
        [sys.executable, "-m", "tests.support.nildb"],
        cwd=boot.BASE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert nodes.stdin is not None and nodes.stdout is not None
    try:
        env = {"OBSCURA_KEYS": "nildb", "OBSCURA_NILDB_NODES": ",".join(json.loads(nodes.stdout.readline()))}
        where = places.find(var)
        root = bytes.fromhex(where.root_key.read_text().strip())
        configured.establish(root, {**env, "OBSCURA_SIGNER_STATE": str(where.vault)}).close()
        nodes.stdin.write(f"stop {AWAY}\n")
        nodes.stdin.flush()
        nodes.stdout.readline()
        yield env
    finally:
        nodes.stdin.close()
        nodes.wait(timeout=10)
        nodes.stdout.close()


def empty(name: str) -> Path:
    """A state folder under var/ that begins empty."""
    var = boot.BASE / "var" / name
    if var.exists():
        embedded.stop(var)
        shutil.rmtree(var)
    return var
