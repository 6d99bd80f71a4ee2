"""A TLS peer on loopback that answers as a nilCC node would, or as a test wants it to."""

from __future__ import annotations

import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.citadel.attestation.synth import name, spki

Respond = Callable[[ssl.SSLSocket, str], None]


class Peer:
    """Serves one question on each connection. `requests` are their paths, `connections` counts what was opened."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self.respond: Respond = answer(404, b"")
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.new_key()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def new_key(self) -> None:
        """Another key and certificate from the next connection on."""
        key = ec.generate_private_key(ec.SECP256R1())
        self.spki = spki(key)
        certificate = _self_signed(key)
        self.pem = certificate.public_bytes(Encoding.PEM).decode()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            Path(file.name).write_bytes(secret + self.pem.encode())
            self._tls.load_cert_chain(file.name)

    def trust(self) -> ssl.SSLContext:
        """What believes this peer's certificate, and no other."""
        return ssl.create_default_context(cadata=self.pem)

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        self._listener.settimeout(0.02)
        while not self._closing.is_set():
            try:
                plain, _ = self._listener.accept()
            except TimeoutError:
                continue
            # Counted before the handshake: a client that has seen its end may be gone before this side has.
            self.connections += 1
            with plain:
                plain.settimeout(5)
                try:
                    with self._tls.wrap_socket(plain, server_side=True) as line:
                        self._talk(line)
                except OSError:
                    continue  # the client left: that is what some tests are about

    def _talk(self, line: ssl.SSLSocket) -> None:
        text = b""
        while b"\r\n\r\n" not in text:
            more = line.recv(4096)
            if not more:
                return
            text += more
        path = text.split(b" ", 2)[1].decode()
        self.requests.append(path)
        self.respond(line, path)


def answer(status: int, body: bytes, *, length: int | None = None) -> Respond:
    head = f"HTTP/1.1 {status} Word\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n".encode()
    return lambda line, path: line.sendall(head + body)


def nilcc(report: bytes, **changes: object) -> Respond:
    """nilCC's answer about this report."""
    environment = {"nilcc_version": "0.3.0", "vm_type": "cpu", "cpu_count": 2}
    whole = {"report": {}, "raw_report": report.hex(), "gpu_token": None, "environment": environment}
    return answer(200, json.dumps(whole | changes).encode())


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder().subject_name(name("node")).issuer_name(name("node")).public_key(key.public_key())
    )
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return builder.serial_number(1).add_extension(names, critical=False).sign(key, SHA256())
