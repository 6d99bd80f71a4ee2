"""Fixtures of the key providers: three nilDB nodes and a Vault on this machine, and a hand that makes providers."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.nildb.client import NodeClient
from citadel.vaults.nildb.establishing import establish
from citadel.vaults.nildb.nuc import NucSigner
from citadel.vaults.nildb.provider import NilDbProvider
from citadel.vaults.nildb.state import FileStore
from citadel.vaults.transit import TransitProvider
from tests.support.nildb.serve import Cluster
from tests.support.transit import Transit

ROOT = bytes(range(32))
TOKEN = "hvs.CAESIJlWh0isthis"


class Stand:
    """One environment: the cluster, a signing key, a root key, a state file, and a clock that is set by hand."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.state = directory / "nildb.json"
        self.signer = NucSigner(secret=b"\x07" * 32)
        self.now = 1000.0
        self.told: list[tuple[int, str]] = []

    def client(self, number: int, **options: Any) -> NodeClient:
        """A client of one node; `options` replace what is usual."""
        node = self.cluster[number]
        usual = {"number": number, "url": node.url, "public_key": node.public_key, "signer": self.signer}
        return NodeClient(**{**usual, **options})

    def clients(self, **options: Any) -> list[NodeClient]:
        """Clients of all three."""
        return [self.client(number, **options) for number in (1, 2, 3)]

    def establish(self) -> NilDbProvider:
        """The provider's first start. It has its key in memory, and asks no node for it."""
        return establish(nodes=self.clients(), store=FileStore(self.state), **self._rest(ROOT))

    def provider(self, *, root: bytes = ROOT, store: Any = None, **options: Any) -> NilDbProvider:
        """A provider that starts with what is in the state file: as after a restart."""
        return NilDbProvider(nodes=self.clients(**options), store=store or FileStore(self.state), **self._rest(root))

    def _rest(self, root: bytes) -> dict[str, Any]:
        return {
            "local": LocalProvider(root=root),
            "now": lambda: self.now,
            "on_fault": lambda node, error: self.told.append((node, error.code)),
        }


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 that signed itself: a server's context, and the file that a client trusts it by."""

    server: ssl.SSLContext
    file: Path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One for all tests: making the key takes longer than using it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return Certificate(server=server, file=folder / "cert.pem")


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """A stand with nothing established yet."""
    cluster = Cluster()
    yield Stand(cluster, tmp_path)
    cluster.stop()


def until(happened: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    for _ in range(1000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within ten seconds")


@pytest.fixture
def vault() -> Iterator[Transit]:
    """A Vault that is unsealed and holds one version of the key ``obscura``."""
    peer = Transit(token=TOKEN)
    yield peer
    peer.stop()


def transit(vault: Transit, **options: Any) -> TransitProvider:
    """A provider at that Vault; `options` replace what is usual."""
    return TransitProvider(**{"address": vault.url, "token": lambda: TOKEN, **options})
