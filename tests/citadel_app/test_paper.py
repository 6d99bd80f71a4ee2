"""A paper account from nothing: opened at the paper venue, connected, enrolled and checked by real processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from citadel import services as citadel
from citadel.intake.keys import VaultNotReady
from citadel.intake.models import IntakeKey
from citadel.models import ExchangeAccount
from obscura.core import clock
from obscura.core.errors import Invalid
from tests.citadel.support import Vault
from tests.contracts.support import Venue


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with tempfile.TemporaryDirectory(prefix="obscura-") as folder:
        one = Venue(Path(folder) / "paper", "--rate-limits", "off")
        try:
            yield one
        finally:
            one.stop()


@pytest.fixture(scope="module")
def pair(venue: Venue) -> Iterator[Vault]:
    with tempfile.TemporaryDirectory(prefix="obscura-") as folder:
        one = Vault(Path(folder), venue.ports["http"])
        try:
            one.start_signer()
            one.start_egress()
            yield one
        finally:
            one.close()


@pytest.fixture
def ready(venue: Venue, pair: Vault, settings, monkeypatch, alpha):
    settings.RUN_DIR = str(pair.directory)
    monkeypatch.setenv("OBSCURA_PAPER_CONTROL", f"127.0.0.1:{venue.ports['control']}")
    citadel.publish_intake_key()
    return venue


def test_a_paper_account_is_opened_connected_and_active(ready: Venue, cast):
    ben = cast.ben()

    made = citadel.open_paper_account(owner_id=ben.pk, label="Practice", usd="2500.50", actor="test")
    citadel.enrol(account_id=made.id)

    now = citadel.account(account_id=made.id, user_id=ben.pk)
    assert (now.status, now.reason, now.exchange, now.environment) == ("active", "", "binance", "paper")
    assert (now.permissions["trade"], now.permissions["withdraw"]) == (True, False)
    [there] = [row for row in ready.control("GET", "/accounts") if row["label"] == "t_alpha/Practice"]
    assert there["api_key"].endswith(now.hint)


def test_a_real_answer_of_a_key_that_may_withdraw_refuses_it(ready: Venue, cast):
    ben = cast.ben()
    keys = {"apiKey": "W" * 64, "secret": "w" * 64}
    ready.control("POST", "/accounts", {"api_key": keys["apiKey"], "secret": keys["secret"], "withdraw": True})
    wanted = {"owner_id": ben.pk, "exchange": "binance", "environment": "paper", "label": "W", "actor": "test"}

    made = citadel.connect_account(**wanted, credentials=keys)
    citadel.enrol(account_id=made.id)

    assert citadel.account(account_id=made.id, user_id=ben.pk).reason.startswith("This key may withdraw.")


def test_a_key_the_venue_does_not_know_is_refused(ready: Venue, cast):
    ben = cast.ben()
    wanted = {"owner_id": ben.pk, "exchange": "binance", "environment": "paper", "label": "U", "actor": "test"}

    made = citadel.connect_account(**wanted, credentials={"apiKey": "U" * 64, "secret": "u" * 64})
    citadel.enrol(account_id=made.id)

    assert citadel.account(account_id=made.id, user_id=ben.pk).reason.startswith("The exchange does not accept")


@pytest.mark.parametrize("usd", ["0", "-1", "0.5", "10000001", "NaN", "much", ""])
def test_what_a_paper_account_cannot_begin_with(ready: Venue, cast, usd):
    with pytest.raises(Invalid):
        citadel.open_paper_account(owner_id=cast.ben().pk, label="P", usd=usd, actor="test")

    assert ExchangeAccount.objects.exists() is False


def test_a_name_that_is_taken_opens_nothing_at_the_venue(ready: Venue, cast):
    ben = cast.ben()
    citadel.open_paper_account(owner_id=ben.pk, label="Once", usd=100, actor="test")
    before = len(ready.control("GET", "/accounts"))

    with pytest.raises(citadel.LabelTaken):
        citadel.open_paper_account(owner_id=ben.pk, label="Once", usd=100, actor="test")

    assert len(ready.control("GET", "/accounts")) == before


@pytest.mark.parametrize("address", ["", "nowhere", "127.0.0.1:1"])
def test_a_paper_venue_that_is_not_running_is_said_plainly(alpha, cast, monkeypatch, address):
    IntakeKey.objects.create(kid="test", public=bytes([9, *bytes(31)]), created_at=clock.now())
    monkeypatch.setenv("OBSCURA_PAPER_CONTROL", address)

    with pytest.raises(citadel.PaperVenueAway) as found:
        citadel.open_paper_account(owner_id=cast.ben().pk, label="P", usd=100, actor="test")

    assert "OBSCURA_PAPER_CONTROL" in found.value.remedy
    assert ExchangeAccount.objects.exists() is False


def test_without_a_vault_no_paper_account_is_left_over_here_or_at_the_venue(ready: Venue, cast):
    IntakeKey.objects.all().delete()
    before = len(ready.control("GET", "/accounts"))

    with pytest.raises(VaultNotReady):
        citadel.open_paper_account(owner_id=cast.ben().pk, label="P", usd=100, actor="test")

    assert ExchangeAccount.objects.exists() is False
    assert len(ready.control("GET", "/accounts")) == before
