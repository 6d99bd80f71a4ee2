"""Two machines for the bridge's tests: a vault's and a worker's, certificates, and clients that may not come in."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from citadel.bridge import authority
from citadel.client import ChunkSender, SignerClient
from tests.citadel.support import ROOT, Vault

SIGNER, EGRESS = "obscura-signer/1", "obscura-egress/1"
DAY = datetime.timedelta(days=1)


def wait_for(condition: Callable[[], object]) -> None:
    """Until something has happened in another process."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def mint(
    folder: Path, name: str, *, uris: list[str], usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ends: datetime.timedelta = DAY,
) -> None:  # fmt: skip
    """A certificate of the authority in `folder` such as `issue` does not make."""
    issuer = x509.load_pem_x509_certificate((folder / "authority.pem").read_bytes())
    issuer_key = serialization.load_pem_private_key((folder / "authority.key").read_bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * DAY)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if uris:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(secret)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@dataclass
class Bridge:
    """Both halves, each in a directory of its own; certificates in a third. Every process is stopped by `close`."""

    vault: Vault | None
    home: Path
    port: int = 0
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    halves: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.papers, self.worker_dir = self.home / "papers", self.home / "worker"
        authority.make(self.papers)
        self.serials = {
            name: authority.issue(self.papers, name=name, role=role).serial
            for name, role in (("vault", "vault"), ("worker", "worker"))
        }

    def environment(self, half: str) -> dict[str, str]:
        name, place = {
            "serve": ("vault", self.vault.directory if self.vault else self.home / "vault"),
            "connect": ("worker", self.worker_dir),
        }[half]
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "OBSCURA_RUN": str(place),
            "OBSCURA_BRIDGE_LISTEN": f"127.0.0.1:{self.port}",
            "OBSCURA_BRIDGE_VAULT": f"127.0.0.1:{self.port}",
            "OBSCURA_BRIDGE_AUTHORITY": str(self.papers / "authority.pem"),
            "OBSCURA_BRIDGE_CERTIFICATE": str(self.papers / f"{name}.pem"),
            "OBSCURA_BRIDGE_KEY": str(self.papers / f"{name}.key"),
        }

    def start(self, half: str, **extra: str) -> None:
        before = len(self.told(half, "start"))
        with self.log_file(half).open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "citadel.bridge", half],
                cwd="/", env=self.environment(half) | extra, stdout=out, stderr=out,
            )  # fmt: skip
        self.started.append(process)
        self.halves[half] = process
        wait_for(lambda: len(self.told(half, "start")) > before or process.poll() is not None)
        assert process.poll() is None, self.log(half)
        if half == "serve":
            self.port = self.told(half, "start")[-1]["port"]

    def kill(self, half: str) -> None:
        self.halves[half].kill()
        self.halves[half].wait()

    def log_file(self, half: str) -> Path:
        return self.home / f"{half}.log"

    def log(self, half: str) -> str:
        return self.log_file(half).read_text() if self.log_file(half).exists() else ""

    def told(self, half: str, event: str) -> list[dict[str, Any]]:
        """The lines about something; every line of a log must be one."""
        whole = re.findall(r".*\n", self.log(half))
        return [line for line in map(json.loads, whole) if line["event"] == event]

    def reasons(self, half: str = "serve") -> list[str]:
        return [line.get("error") or line["why"] for line in self.told(half, "refused")]

    def close(self) -> None:
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.started:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise

    # what a worker on the other machine has
    def client(self) -> SignerClient:
        return SignerClient(run_dir=self.worker_dir)

    def sender(self, **options: float) -> ChunkSender:
        return ChunkSender(run_dir=self.worker_dir, **options)

    # who comes without a connector
    def context(self, name: str | None = "worker", *, papers: Path | None = None) -> ssl.SSLContext:
        folder = papers or self.papers
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cafile=str(self.papers / "authority.pem"))
        if name is not None:
            context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        return context

    def knock(self, context: ssl.SSLContext, content: bytes, *, protocols: tuple[str, ...] = (SIGNER,)) -> bytes:
        """What comes back to one who writes over TLS; nothing where the connection is closed instead."""
        if protocols:
            context.set_alpn_protocols(list(protocols))
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain:
                with context.wrap_socket(plain) as connection:
                    connection.sendall(content)
                    return connection.recv(1 << 16)
        except (ssl.SSLError, ConnectionError):
            return b""


class Wire:
    """What lies between the halves. The connection with this number is cut after so many bytes toward the vault."""

    def __init__(self, port: int, *, number: int, after: int) -> None:
        self._vault, self._number, self._left = port, number, after
        self.was_cut = False
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def _listen(self) -> None:
        for number in itertools.count():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._vault))
            up = threading.Thread(target=self._carry, args=(near, far, number == self._number))
            down = threading.Thread(target=self._carry, args=(far, near, False))
            self._ends += [near, far]
            self._threads += [up, down]
            up.start()
            down.start()

    def _carry(self, source: socket.socket, target: socket.socket, limited: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if limited:
                    data = data[: self._left]
                    self._left -= len(data)
                target.sendall(data)
                if limited and self._left == 0:
                    self.was_cut = True
                    break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=10)
        for end in self._ends:
            end.close()


@contextlib.contextmanager
def bridged(vault: Vault | None) -> Iterator[Bridge]:
    """Certificates and directories; nothing is started yet."""
    with tempfile.TemporaryDirectory(prefix="obscura-") as home:
        bridge = Bridge(vault, Path(home))
        try:
            yield bridge
        finally:
            bridge.close()
        assert [bridge.told(half, "fault") for half in ("serve", "connect")] == [[], []]
