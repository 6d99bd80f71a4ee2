"""How long a start takes: from nothing, again with what is there, and to open one more tenant."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from obscura.local import boot, embedded, stack
from obscura.local.parts import Plan
from obscura.local.places import Places

WARM_STARTS = 3
TENANTS = 5
LIMIT_S = 180


def parser(add: Any) -> None:
    """The options of `bench start`."""
    one: argparse.ArgumentParser = add.add_parser("start", help=__doc__)
    one.add_argument("--json", action="store_true", help="the figures alone, as one JSON object on the last line")
    one.add_argument("--child", action="store_true", help=argparse.SUPPRESS)


def run(asked: argparse.Namespace) -> int:
    """Measure in a folder that is thrown away. Each start is a process of its own, timed from its birth."""
    if asked.child:
        return _child()
    # Short, because unix sockets lie in it; open to others, because root hands the database to another user.
    folder = Path(tempfile.mkdtemp(prefix="obscura-start-"))
    folder.chmod(0o711)
    try:
        cold = _start(folder, bytecode=folder / "bytecode")
        warm = [_start(folder, bytecode=folder / "bytecode") for _ in range(WARM_STARTS)]
        figures = {
            "warm_ms": round(statistics.median(one["ready_ms"] for one in warm)),
            "cold_ms": round(cold["ready_ms"]),
            "tenant_open_ms": round(statistics.median(one["tenant_open_ms"] for one in (cold, *warm)), 1),
            "stop_ms": round(statistics.median(one["stop_ms"] for one in warm)),
        }
    finally:
        embedded.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
    if not asked.json:
        for name, value in figures.items():
            print(f"{name:<16} {value}", flush=True)
    print(json.dumps(figures), flush=True)
    return 0


def _start(folder: Path, *, bytecode: Path) -> dict[str, float]:
    env = {**os.environ, "OBSCURA_VAR": str(folder), "OBSCURA_START_BYTECODE": str(bytecode)}
    command = [sys.executable, "-B", "-m", "obscura.local.bench", "start", "--child"]
    done = subprocess.run(
        command, env=env, cwd=boot.BASE, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    ended = time.time()
    if done.returncode:
        raise SystemExit(f"a start failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "stop_ms": (ended - found["asked_to_stop"]) * 1000}


def _child() -> int:
    boot.prepare(bytecode=Path(os.environ["OBSCURA_START_BYTECODE"]))
    born = time.monotonic() - boot.since_start_ms() / 1000
    plan = Plan(market="synthetic")

    def driver(plan: Plan, where: Places) -> int:
        from obscura.local import cast, ready

        cast.open_houses()
        ready.wait(plan, where, host=cast.ZERO.host)
        ready_ms = (time.monotonic() - born) * 1000
        times = [_open_one() for _ in range(TENANTS)]
        figures = {"ready_ms": ready_ms, "tenant_open_ms": statistics.median(times), "asked_to_stop": time.time()}
        stack.leave_result(where, figures)
        return 0

    # The servers go on between the starts, as they do between two demos; the first start makes them.
    return stack.run(plan=plan, driver=driver, name="start", quiet=True)


def _open_one() -> float:
    from tenants import services as tenants

    slug = f"bench-{secrets.token_hex(4)}"
    began = time.perf_counter()
    tenants.open_tenant(name=slug, slug=slug, kind="partner", hosts=[f"{slug}.localhost"], actor="bench")
    return (time.perf_counter() - began) * 1000
