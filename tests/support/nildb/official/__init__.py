"""The official TypeScript client of nilDB, installed once into var/ and asked questions."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
KEPT = Path(os.environ.get("OBSCURA_VAR", ROOT / "var")) / "nildb-official"


class OfficialClientFailed(AssertionError):
    """It could not be installed, or does not do with our nodes what it does with real ones."""


def ask(question: str, **facts: Any) -> dict[str, Any]:
    """One of the questions of client.mjs, answered by the official client.

    :raises OfficialClientFailed: it refuses; the message is its own
    """
    folder = _installed()
    done = _run(["node", "client.mjs"], folder, json.dumps({"question": question, **facts}))
    if done.returncode:
        raise OfficialClientFailed(done.stderr.strip()[-2000:] or f"the official client ends with {done.returncode}")
    return json.loads(done.stdout)


def _installed() -> Path:
    """A folder with the pinned packages and the present client.mjs."""
    pins = b"".join((HERE / name).read_bytes() for name in ("package.json", "package-lock.json"))
    folder = KEPT / hashlib.sha256(pins).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process installs, the others wait
        if not (folder / ".ready").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(HERE / name, folder / name)
            done = _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder, "")
            if done.returncode:
                raise OfficialClientFailed(f"npm ci: {done.stderr.strip()[-2000:]}")
            (folder / ".ready").touch()
        shutil.copyfile(HERE / "client.mjs", folder / "client.mjs")
    return folder


def _run(command: list[str], folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which(command[0], path=path)
    if program is None:
        raise OfficialClientFailed(f"there is no {command[0]}: make setup installs it")
    return subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PATH": path},
    )
