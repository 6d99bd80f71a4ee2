"""The engine's stand: a real venue, signer and egress; followers with real accounts; a price in Redis."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.citadel.support import Vault
from tests.contracts.support import Venue
from tests.support.database import TENANTS
from tests.trading.engine.stand import Stand


@pytest.fixture(scope="session")
def engine_parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Venue, Vault]]:
    """One venue and one vault for all engine tests of this process."""
    venue = Venue(tmp_path_factory.mktemp("engine") / "paper", "--rate-limits", "off")
    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        vault = Vault(Path(directory), venue.ports["http"])
        try:
            vault.start_signer(OBSCURA_ACCOUNT_CAPS="1000000,10000000,100000000,125")
            vault.start_egress()
            os.environ["OBSCURA_RUN"] = directory
            yield venue, vault
        finally:
            vault.close()
            venue.stop()


_tests = itertools.count(1)


def _new_subscriptions() -> None:
    """No number of a subscription comes again: the vault outlives a test, and remembers what each may and has lost."""
    with connection.cursor() as cursor:
        first = next(_tests) * 10_000
        for schema in TENANTS:
            cursor.execute("select setval(format('%%I.pools_subscription_id_seq', %s)::regclass, %s)", [schema, first])


@pytest.fixture
def stand(engine_parts: tuple[Venue, Vault], committed: None, redis_db: object) -> Iterator[Stand]:
    """A pool in tenant Alpha that Ada leads; bitcoin costs 60,000 and ether 3,000. Really committed."""
    from trading.execution import db
    from trading.market import cache

    venue, vault = engine_parts
    _new_subscriptions()
    for symbol, price in (("BTCUSDT", "60000"), ("ETHUSDT", "3000")):
        venue.price(symbol, price)
    made = Stand(venue=venue, vault=vault)
    cache.forget()
    yield made
    made.signer.close()
    venue.control("DELETE", "/faults")
    db.close()
