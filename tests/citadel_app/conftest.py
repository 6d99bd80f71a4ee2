"""The vault's own processes before an exchange that says what it is told to, and Ben's keys."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from citadel import services as citadel
from citadel.types import AccountRef
from tests.citadel.support import BEN, CLEO, Exchange, Person, Vault, _answer

RESTRICTIONS = {
    "ipRestrict": True,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "permitsUniversalTransfer": False,
    "enableSpotAndMarginTrading": True,
    "enableFutures": False,
}


class Binance(Exchange):
    """Checks signatures; then `account` and `restrictions` are what it answers: (status, body)."""

    def reset(self) -> None:
        self.account: tuple[int, object] = (200, {"canTrade": True, "balances": []})
        self.restrictions: tuple[int, object] = (200, dict(RESTRICTIONS))

    def take(self, method: str, path: str, headers: dict[str, str], query: str) -> bytes | None:
        refused = super().take(method, path, headers, query)
        if refused is not None and b" 200 " not in refused[:16]:
            return refused
        status, body = self.restrictions if path.startswith("/sapi/") else self.account
        return _answer(status, json.dumps(body).encode())


@pytest.fixture(scope="module")
def binance() -> Iterator[Binance]:
    peer = Binance([BEN, CLEO])
    peer.reset()
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()


@pytest.fixture(scope="module")
def running(binance: Binance) -> Iterator[Vault]:
    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        pair = Vault(Path(directory), binance.port)
        try:
            pair.start_signer()
            pair.start_egress()
            yield pair
        finally:
            pair.close()


@pytest.fixture
def vault(running: Vault, binance: Binance, settings, _rows: None) -> Vault:
    """Signer and egress, running, the intake key published; the exchange is friendly."""
    binance.reset()
    settings.RUN_DIR = str(running.directory)
    citadel.publish_intake_key()
    return running


@pytest.fixture
def connect(vault: Vault) -> Callable[..., AccountRef]:
    """``connect(ben)``: Ben's keys, connected and pending."""

    def make(user: object, *, keys: Person = BEN, **changes: object) -> AccountRef:
        wanted = {
            "owner_id": user.pk,
            "exchange": "binance",
            "environment": "paper",
            "label": "Main",
            "credentials": {"apiKey": keys.api_key, "secret": keys.secret},
            "actor": "test",
        }
        return citadel.connect_account(**{**wanted, **changes})

    return make
