"""Our addresses: each account keeps to one, new ones take the least used, the venue sees it, its owner is told."""

from __future__ import annotations

from importlib import import_module
from uuid import UUID

import pytest
from django.apps import apps

from citadel import addresses
from citadel import services as citadel
from citadel.models import ExchangeAccount
from obscura.core import clock

FIRST, SECOND = "203.0.113.7", "203.0.113.8"


def an_account(owner, label: str, address: str = "", **more) -> ExchangeAccount:
    return ExchangeAccount.objects.create(
        owner=owner, label=label, environment="paper", created_at=clock.now(), egress_address=address, **more
    )


@pytest.fixture
def two(settings):
    settings.EGRESS_ADDRESSES = [FIRST, SECOND]


def pick(number: int) -> str:
    return addresses.least_used(exchange="binance", environment="paper", account_id=UUID(int=number))


def test_where_none_is_named_the_system_chooses(alpha, cast, settings):
    settings.EGRESS_ADDRESSES = []
    ben = an_account(cast.ben(), "Main")

    assert (pick(1), citadel.addresses_of([ben.pk]), citadel.egress_addresses()) == ("", {ben.pk: ""}, [])


def test_a_new_account_takes_the_address_with_the_fewest(two, alpha, cast):
    an_account(cast.ben(), "Main", FIRST)
    an_account(cast.ben(), "Live", SECOND).delete()

    assert pick(1) == pick(2) == SECOND


def test_accounts_taken_back_and_those_elsewhere_are_not_counted(two, alpha, cast):
    an_account(cast.ben(), "Main", FIRST)
    an_account(cast.ben(), "Old", SECOND, status="revoked")
    an_account(cast.ben(), "Other", SECOND, exchange="okx")

    assert pick(1) == SECOND


def test_where_all_are_as_good_the_accounts_own_id_decides(two, alpha):
    assert (pick(10), pick(11)) == (FIRST, SECOND)


def test_an_account_keeps_its_address_until_that_is_no_longer_there(two, alpha, cast, settings):
    ben = an_account(cast.ben(), "Main", SECOND)
    assert citadel.addresses_of([ben.pk]) == {ben.pk: SECOND}

    settings.EGRESS_ADDRESSES = [FIRST]

    assert citadel.addresses_of([ben.pk]) == {ben.pk: FIRST}
    assert citadel.account(account_id=ben.pk).address == FIRST


def test_accounts_that_were_there_before_keep_to_the_first(two, alpha, cast):
    ben = an_account(cast.ben(), "Main")

    import_module("citadel.migrations.0002_egress_address").keep_to_the_first(apps, None)

    ben.refresh_from_db()
    assert ben.egress_address == FIRST


def test_a_connected_account_is_given_its_address_and_told_it(alpha, cast, connect, settings):
    settings.EGRESS_ADDRESSES = ["127.0.0.1"]

    made = connect(cast.ben())

    assert (made.address, ExchangeAccount.objects.get().egress_address) == ("127.0.0.1", "127.0.0.1")
