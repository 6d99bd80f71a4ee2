"""A tenant's staff see where accounts differ from the record, and can change none of it."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from obscura.core import clock
from trading.models import Adjustment, Drift

A = "alpha.testserver"
BENS = UUID(int=5)


@pytest.fixture
def desk(redis_db, alpha, cast, client_at):
    return client_at(A, user=cast.staff())


def test_differences_and_adjustments_are_shown_for_reading_alone(desk, alpha):
    now = clock.now()
    row = Drift.objects.create(
        account_id=BENS, user_id=BENS, kind="smaller", market="usdm", symbol="BTCUSDT", ours=Decimal("0.012"),
        theirs=Decimal("0.008"), first_seen=now, steady_since=now, last_seen=now,
    )  # fmt: skip
    Adjustment.objects.create(
        subscription_id=7, account_id=BENS, user_id=BENS, trader_id=BENS, market="usdm", symbol="ETHUSDT",
        qty=Decimal("0.4"), cost=Decimal(1200), released=Decimal(400), at=now, leaf=bytes(32),
    )  # fmt: skip

    listed, cut = desk.get("/admin/trading/drift/"), desk.get("/admin/trading/adjustment/")

    assert (listed.status_code, cut.status_code) == (200, 200)
    assert "Less there than our copies hold" in listed.text
    assert "ETHUSDT" in cut.text
    assert desk.get(f"/admin/trading/drift/{row.pk}/change/").status_code == 200
    assert desk.post(f"/admin/trading/drift/{row.pk}/change/", {"ours": "1"}).status_code == 403
    assert desk.post("/admin/trading/adjustment/add/").status_code == 403
    row.refresh_from_db()
    assert row.ours == Decimal("0.012")
