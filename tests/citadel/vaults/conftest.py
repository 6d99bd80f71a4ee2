"""Fixtures of the key providers: three nilDB nodes and a Vault on this machine, and a hand that makes providers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.nildb.client import NodeClient
from citadel.vaults.nildb.establishing import establish
from citadel.vaults.nildb.nuc import NucSigner
from citadel.vaults.nildb.provider import NilDbProvider
from citadel.vaults.nildb.state import FileStore
from tests.support.nildb.serve import Cluster

ROOT = bytes(range(32))


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
