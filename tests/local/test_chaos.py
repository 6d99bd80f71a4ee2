"""Chaos is to be trusted: a hand trades once, every way has its turn, servers come back on their ports."""

from __future__ import annotations

import signal
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import redis

from obscura.core import clock
from obscura.local import embedded
from obscura.local.chaos.kills import Killer
from obscura.local.play import Diary, Move
from obscura.local.record import Lead
from obscura.local.venue import Control, VenueAway
from tests.contracts.support import Venue

BUY = Move("spot", "BTCUSDT", "BUY", Decimal("0.1"), "opening")


class Unlucky(Control):
    """The venue dies under the first trade: before it happened, or behind it."""

    def __init__(self, address: tuple[str, int], *, happened: bool) -> None:
        super().__init__(address)
        self._happened = [happened]

    def trade(self, **asked):
        if self._happened:
            if self._happened.pop():
                super().trade(**asked)
            raise VenueAway("POST /trade: RemoteDisconnected")
        return super().trade(**asked)


@pytest.mark.parametrize("happened", [False, True])
def test_a_lead_whose_venue_dies_under_a_trade_has_traded_once(tmp_path: Path, happened: bool) -> None:
    venue = Venue(tmp_path / "paper", "--rate-limits", "off")
    try:
        venue.price("BTCUSDT", "60000")
        ada = venue.account("ada")
        control = Unlucky(("127.0.0.1", venue.ports["control"]), happened=happened)
        lead = Lead("t_zero", UUID(int=1), ada.api_key)
        diary = Diary(since=clock.now(), leads=[lead])

        answer = diary.trade(control=control, lead=lead, move=BUY)

        assert [row["count"] for row in venue.executions("ada").values()] == [1]
        assert answer["executedQty"] == "0.10000000"
        assert len(diary.window().trades) == len(answer["fills"]) == 1
        control.close()
    finally:
        venue.stop()


def test_every_way_has_its_turn_in_twenty_kills(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"postgres": 1, "valkey": 2}')
    killer = Killer(
        var=tmp_path, control=Control(("127.0.0.1", 1)), label="crowd", seed=7, venue_ms=20, lease_s=2.5
    )  # fmt: skip

    drawn = [way for _, way in killer.plan(kills=20, seconds=60)]

    assert sorted(drawn) == sorted(killer.ways)
    assert set(drawn[:5]) == set(list(killer.ways)[:5])
    assert {way for _, way in killer.plan(kills=20, seconds=60, only="valkey")} == {"valkey killed and emptied"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_a_database_that_was_killed_comes_back_on_its_port_with_what_was_committed(number: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="obscura-") as folder:
        var = Path(folder)
        var.chmod(0o711)
        postgres, _ = embedded.servers(var)
        postgres.start()
        try:
            with psycopg.connect(postgres.url, autocommit=True) as session:
                session.execute("create table kept as select 7 as number")

            pid = postgres.crash(number)
            postgres.start()

            with psycopg.connect(postgres.url, autocommit=True) as session:
                assert session.execute("select number from kept").fetchone() == (7,)
            assert pid != int((var / "postgres" / "postmaster.pid").read_text().split()[0])
        finally:
            postgres.stop()


def test_valkey_that_was_lost_comes_back_on_its_port_with_nothing(tmp_path: Path) -> None:
    _, valkey = embedded.servers(tmp_path)
    valkey.start()
    try:
        client = redis.Redis.from_url(valkey.url)
        client.set("kept", 7)

        valkey.lose()
        valkey.start()

        assert client.dbsize() == 0
        client.close()
    finally:
        valkey.stop()
