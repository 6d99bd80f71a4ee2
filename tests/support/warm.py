"""Child processes that start warm: a parent imports the libraries once, and every child is forked from it.

A cold start of Django, Celery and ccxt takes seconds of CPU; the suite starts dozens of such processes. A child has its
own environment, folder, session and output, and reads the settings anew: nothing of Obscura is imported in the parent.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
LIGHT = ("aiohttp.web", "uvloop", "httptools", "orjson", "cryptography.x509")
HEAVY = (
    "django.contrib.admin.options", "django.template.defaultfilters", "celery.bin.celery", "celery.apps.worker",
    "celery.worker.consumer", "kombu.transport.redis", "psycopg", "psycopg_pool", "redis.asyncio", "structlog.dev",
    "requests", "cryptography.hazmat.primitives.ciphers.aead", "ccxt.async_support", "ccxt.pro",
)  # fmt: skip
VENUE = "trading.venues.paper"
"""What is light; everything else has the heavy libraries imported first."""


class Process:
    """``python -m <module> <arguments>``, warm. It has what is used of `subprocess.Popen`."""

    def __init__(
        self, module: str, *arguments: str, env: Mapping[str, str], out: IO[bytes] | int, err: IO[bytes] | int
    ) -> None:
        """Start it in a session of its own, in the checkout.

        :param env: its whole environment
        """
        self.returncode: int | None = None
        self._link = _connected()
        files = [one if isinstance(one, int) else one.fileno() for one in (out, err)]
        request = json.dumps({"module": module, "arguments": arguments, "env": dict(env)}).encode()
        socket.send_fds(self._link, [len(request).to_bytes(4, "big")], files)
        self._link.sendall(request)
        self.pid = int.from_bytes(_exactly(self._link, 4), "big")

    def poll(self) -> int | None:
        """Its exit code (a signal is negative), or None while it runs."""
        return self._read(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; raises `subprocess.TimeoutExpired`."""
        code = self._read(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing happens when it is over."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _read(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._link], [], [], timeout)[0]:
            self.returncode = int.from_bytes(_exactly(self._link, 4), "big", signed=True)
            self._link.close()
        return self.returncode


@functools.cache
def _parent() -> str:
    """The socket of this test process's parent of children, which ends with this process."""
    folder = tempfile.mkdtemp(prefix="warm-")
    address = f"{folder}/parent"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm", str(listener.fileno()), str(os.getpid())],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, pass_fds=[listener.fileno()], start_new_session=True,
    )  # fmt: skip
    listener.close()

    def end() -> None:
        parent.kill()
        parent.wait()
        Path(address).unlink()
        Path(folder).rmdir()

    atexit.register(end)
    return address


def _connected() -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.connect(_parent())
    return link


def _exactly(link: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = link.recv(size - len(found))
        if not part:
            raise EOFError("The parent of warm processes is gone.")
        found += part
    return found


# -- in the parent -------------------------------------------------------------------------------------------------
def serve(listener: socket.socket, owner: int) -> None:
    """Fork a keeper for each request, until the process that owns this one is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers need nobody who waits for them
    _load(LIGHT)
    while os.getppid() == owner:
        if not select.select([listener], [], [], 1.0)[0]:
            continue
        link, _ = listener.accept()
        head, files, _, _ = socket.recv_fds(link, 4, 2)
        request = json.loads(_exactly(link, int.from_bytes(head, "big")))
        if request["module"] != VENUE:
            _load(HEAVY)
        if os.fork() == 0:
            listener.close()
            _keep(link, request, files)
        for one in files:
            os.close(one)
        link.close()


@functools.cache
def _load(libraries: tuple[str, ...]) -> None:
    for name in libraries:
        __import__(name)
    gc.freeze()


def _keep(link: socket.socket, request: dict[str, Any], files: list[int]) -> None:
    """Fork the child, tell its pid, wait for its end and tell that."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        link.close()
        os._exit(_be(request, *files))
    for one in files:
        os.close(one)
    link.sendall(pid.to_bytes(4, "big"))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):  # nobody wants to know any more
        link.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


def _be(request: dict[str, Any], out: int, err: int) -> int:
    """Run the module as an interpreter of its own would, and end as it would."""
    os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    for one in {out, err} - {1, 2}:
        os.close(one)
    os.environ.clear()
    os.environ.update(request["env"])
    module, arguments = request["module"], request["arguments"]
    sys.argv = [module, *arguments]
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
