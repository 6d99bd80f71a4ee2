"""What a benchmark compares with trades for real: the bare client, and ccxt as it comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from obscura.local import crowd
from obscura.local.bench import bare, stock
from obscura.local.venue import Control
from tests.contracts.support import Venue


@pytest.mark.parametrize("client", [bare, stock])
def test_every_order_of_a_client_that_is_measured_is_filled(tmp_path: Path, monkeypatch, client) -> None:
    monkeypatch.setattr(client, "WARM_UP", 4)
    monkeypatch.setattr(bare, "ALONE", 2)
    venue = Venue(tmp_path / "paper", "--rate-limits", "off")
    try:
        control = Control(("127.0.0.1", venue.ports["control"]))
        pairs = crowd.spare_keys(control=control, count=4, tag="t")

        found = client.measure(venue=f"127.0.0.1:{venue.ports['http']}", pairs=pairs, orders=12, quantity="0.0016")

        assert found.accepted == 12
        rows = venue.executions("spare/t")
        assert {row["count"] for row in rows.values()} == {1}
        assert len(rows) == 12 + 4 + (2 if client is bare else 0)
        control.close()
    finally:
        venue.stop()
