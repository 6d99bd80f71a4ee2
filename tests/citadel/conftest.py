"""Fixtures that start the vault's processes in temporary directories."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from citadel import uses
from tests.citadel.support import BEN, CLEO, Exchange, Vault, person

CROWD = [person(number) for number in range(100, 200)]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """A loopback exchange that knows Ben, Cleo and a crowd of a hundred."""
    with closing_exchange() as peer:
        yield peer


@pytest.fixture
def vault(exchange: Exchange) -> Iterator[Vault]:
    """Signer and egress, running, nobody enrolled."""
    with running(exchange) as pair:
        yield pair


@pytest.fixture(scope="module")
def quiet_vault() -> Iterator[Vault]:
    """One pair for all tests of a module that kill nothing and send nothing. Ben's account is open."""
    with closing_exchange() as peer, running(peer) as pair:
        pair.enrol([BEN])
        yield pair


@pytest.fixture
def anything(monkeypatch: pytest.MonkeyPatch) -> str:
    """An exchange that uses secrets in ways none of ccxt's does."""
    profile = uses.PROFILES["okx"]._replace(
        uses=frozenset(
            ["secret hmac text md5", "secret rsa text sha512 pss", "secret rsa text sha384 pkcs1"]
            + [
                f"secret ecdsa text {curve} {hashed}"
                for curve in ("p256", "secp256k1")
                for hashed in ("keccak", "sha256")
            ]
        )
    )
    monkeypatch.setitem(uses.PROFILES, "anything", profile)
    return "anything"


@contextmanager
def closing_exchange() -> Iterator[Exchange]:
    peer = Exchange([BEN, CLEO, *CROWD]).start()
    try:
        yield peer
    finally:
        peer.stop()


@contextmanager
def running(exchange: Exchange) -> Iterator[Vault]:
    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        pair = Vault(Path(directory), exchange.port)
        try:
            pair.start()
            yield pair
        finally:
            pair.close()
