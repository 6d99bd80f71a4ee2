"""Fixtures that start the vault's processes in temporary directories."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.citadel.support import BEN, CLEO, Exchange, Vault, person

CROWD = [person(number) for number in range(100, 200)]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """A loopback exchange that knows Ben, Cleo and a crowd of a hundred."""
    peer = Exchange([BEN, CLEO, *CROWD]).start()
    yield peer
    peer.stop()


@pytest.fixture
def vault(exchange: Exchange) -> Iterator[Vault]:
    """Signer and egress, running, nobody enrolled."""
    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        pair = Vault(Path(directory), exchange.port)
        try:
            pair.start_signer()
            pair.start_egress()
            yield pair
        finally:
            pair.close()
