"""Where everything of a local installation is: folders, sockets, ports that stay the same, keys."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from obscura.local import embedded

SOCKET_PATH_LIMIT = 100  # the kernel takes 107 bytes; the longest name in the folder has twelve
WEB_PORT = 8000
NAMES = ("web", "paper_http", "paper_tls", "paper_control")


@dataclass(frozen=True, slots=True)
class Places:
    """Folders and ports of one state folder."""

    var: Path
    run: Path
    ports: dict[str, int]

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def paper(self) -> Path:
        return self.var / "paper"

    @property
    def state(self) -> Path:
        return self.var / "run" / "stack.json"

    @property
    def root_key(self) -> Path:
        return self.var / "keys" / "root.key"

    @property
    def mandate_key(self) -> Path:
        return self.var / "keys" / "mandate.key"

    @property
    def vault(self) -> Path:
        return self.var / "vault"

    @property
    def authority(self) -> Path:
        return self.paper / "tls" / "ca.pem"

    @property
    def control(self) -> tuple[str, int]:
        return "127.0.0.1", self.ports["paper_control"]

    def environment(self) -> dict[str, str]:
        """What every process of the stack finds in its environment. No secret is among it."""
        return {
            "OBSCURA_VAR": str(self.var),
            "OBSCURA_RUN": str(self.run),
            "OBSCURA_PAPER": f"127.0.0.1:{self.ports['paper_http']}",
            "OBSCURA_PAPER_TLS": f"127.0.0.1:{self.ports['paper_tls']}",
            "OBSCURA_PAPER_CONTROL": f"127.0.0.1:{self.ports['paper_control']}",
            "OBSCURA_PAPER_CA": str(self.authority),
            "OBSCURA_WEB_PORT": str(self.ports["web"]),
        }

    def url(self, host: str, path: str = "/") -> str:
        """The address of a page at one of our hosts."""
        return f"http://{host}:{self.ports['web']}{path}"


def find(var: Path) -> Places:
    """The places of a state folder. Ports are drawn once and kept, so that addresses stay the same between runs;
    one that somebody else has taken meanwhile is drawn again."""
    run = _run_dir(var)
    path = var / "stack-ports.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    ports = {name: kept.get(name) or 0 for name in NAMES}
    for name, port in ports.items():
        if port and is_free(port):
            continue
        ports[name] = WEB_PORT if name == "web" and is_free(WEB_PORT) else embedded.free_port()
    if ports != kept:
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(ports))
        draft.rename(path)
    for folder in (run, var / "log", var / "paper", var / "keys"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    embedded.kept_secret(var / "keys" / "root.key")
    embedded.kept_secret(var / "keys" / "mandate.key")
    return Places(var=var, run=run, ports=ports)


def _run_dir(var: Path) -> Path:
    run = Path(os.environ.get("OBSCURA_RUN") or var / "run")
    if len(str(run)) <= SOCKET_PATH_LIMIT - len("/signer.sock"):
        return run
    # A unix socket's path must be short: deep checkouts get a folder under the system's temporary one.
    mark = hashlib.sha256(str(var).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"obscura-{os.getuid()}-{mark}"


def is_free(port: int) -> bool:
    """Nobody listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
