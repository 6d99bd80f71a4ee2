"""The product as a browser meets it: the real server in a process of its own, on this test process's database."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from django.conf import settings

from tests.support.processes import database_url

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 40.0


class Served:
    """One server on a free port; `stop` and `start` again keep the port."""

    def __init__(self, log: Path) -> None:
        self.log, self.process = log, None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.start()

    def url(self, tenant: str = "alpha", *, host: str = "") -> str:
        """Where a tenant's pages are; at a host of its own where one is named."""
        return f"http://{host or f'{tenant}.testserver'}:{self.port}"

    def start(self) -> None:
        """Serve, and return when it answers."""
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers-kill-timeout", "2s", "--log-level", "warning"]
        command.append("obscura.asgi:application")
        environment = {**os.environ, "DATABASE_URL": database_url(), "REDIS_URL": settings.REDIS_URL}
        with self.log.open("a") as log:
            self.process: subprocess.Popen[bytes] | None = subprocess.Popen(
                command, cwd=ROOT, env={**environment, "PYTHONWARNINGS": ""}, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()[-4_000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4_000:]
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait for its end."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(20)

    def _answers(self) -> bool:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            link.request("GET", "/health/live")
            return link.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            link.close()
