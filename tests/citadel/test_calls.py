"""Which addresses the vault sends to: ccxt's own reads, orders and cancels, and nothing that takes money out."""

from __future__ import annotations

import re

import ccxt
import pytest

from citadel import uses
from citadel.domain.calls import CANCEL, NEVER, ORDER, READ, hosts, kind_of, odd_headers, recorded
from citadel.domain.policy import JUDGED
from citadel.domain.request import Address
from citadel.matrix import calls

SAMPLE = ("alpaca", "bybit", "deribit", "htx", "indodax", "kraken", "luno", "okx", "poloniex")

HARMLESS = {
    "/v5/asset/transfer/query-account-coins-balance",  # a balance that could be moved inside the account
    "/v2/withdrawConfigs.do",  # fees
    "/api/1/send/networks",  # names of networks
}


def test_the_record_is_what_ccxt_does() -> None:
    for exchange in SAMPLE:
        assert recorded()[exchange] == calls.table(exchange), f"{exchange}: run make matrix ARGS=--record"


def test_a_run_of_the_matrix_tells_what_is_asked_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls.complaints(["luno"]) == []

    monkeypatch.setattr(calls, "recorded", lambda: recorded() | {"luno": recorded()["okx"]})

    (complaint,) = calls.complaints(["luno", "okx"])
    assert complaint.startswith("luno: ccxt asks otherwise")


def test_every_exchange_whose_requests_the_vault_completes_is_recorded() -> None:
    assert set(recorded()) == {one for one in ccxt.exchanges if calls.borne(one)} - JUDGED
    assert {one for one in ccxt.exchanges if uses.PROFILES[one].header} <= set(recorded())


def test_nothing_that_is_let_through_takes_money_out_or_makes_keys() -> None:
    wrong = re.compile(
        r"withdraw|transfer|payout|api.?key.*(create|new|delete)|send(?!order|childorder)", re.IGNORECASE
    )
    for exchange, found in recorded().items():
        for place, kind in found.addresses.items():
            path = place.split(" ")[2]
            assert kind == NEVER or not wrong.search(path) or path in HARMLESS, (exchange, place)


def test_what_is_told_apart_by_its_body_alone_is_not_let_through() -> None:
    """Withdrawals of these go where their orders go: POST, one path, a field with a name."""
    assert kind_of("indodax", Address("indodax.com", "POST", "/tapi")) is None
    assert kind_of("zaif", Address("api.zaif.jp", "POST", "/tapi")) is None


@pytest.mark.parametrize(
    ("exchange", "place", "kind"),
    [
        ("okx", "www.okx.com GET /api/v5/account/balance", READ),
        ("okx", "www.okx.com POST /api/v5/trade/order", ORDER),
        ("okx", "www.okx.com POST /api/v5/trade/cancel-order", CANCEL),
        ("okx", "www.okx.com GET /api/v5/trade/order", READ),
        ("okx", "www.okx.com POST /api/v5/asset/withdrawal", None),
        ("okx", "www.okx.com POST /api/v5/asset/transfer", None),
        ("okx", "www.okx.com POST /api/v5/account/balance", None),
        ("okx", "evil.com GET /api/v5/account/balance", None),
        ("okx", "eea.okx.com GET /api/v5/account/balance", None),
        ("myokx", "eea.okx.com GET /api/v5/account/balance", READ),
        ("bybit", "api.bybit.com GET /v5/user/query-api", READ),
        ("bybit", "api.bybit.com POST /v5/order/create", ORDER),
        ("bybit", "api.bybit.com POST /v5/asset/withdraw/create", None),
        ("bybit", "api.bybit.com POST /v5/user/create-sub-api", None),
        ("luno", "api.luno.com GET /api/1/orders/BXMC2CJ7HNB88U4", READ),
        ("luno", "api.luno.com GET /api/1/orders/a/b", None),
        ("luno", "api.luno.com POST /api/1/withdrawals", None),
        ("luno", "api.luno.com POST /api/1/send", None),
        ("htx", "api.huobi.pro POST /v1/order/orders/17/submitcancel", CANCEL),
        ("htx", "api.huobi.pro POST /v1/dw/withdraw/api/create", None),
        ("binance", "api.binance.com GET /api/v3/account", None),
        ("nowhere", "api.binance.com GET /api/v3/account", None),
    ],
)
def test_an_address_is_of_a_kind_or_of_none(exchange: str, place: str, kind: str | None) -> None:
    host, method, path = place.split(" ")

    assert kind_of(exchange, Address(host, method, path)) == kind


def test_what_is_never_asked_wins_over_a_step_that_varies() -> None:
    never = [
        (one, place) for one, found in recorded().items() for place, kind in found.addresses.items() if kind == NEVER
    ]

    assert never
    for exchange, place in never:
        host, method, path = place.split(" ")
        assert kind_of(exchange, Address(host, method, path.replace("*", "x"))) is None, place


def test_hosts_are_those_of_the_exchange() -> None:
    assert hosts("bybit") == {"api.bybit.com"}
    assert hosts("ndax") == {"api.ndax.io:8443"}
    assert hosts("nowhere") == frozenset()


def test_a_header_that_ccxt_does_not_send_there_is_odd() -> None:
    assert odd_headers("okx", ["OK-ACCESS-SIGN", "User-Agent", "Content-Type"]) == set()
    assert odd_headers("okx", ["X-HTTP-Method-Override", "KC-API-SIGN"]) == {"x-http-method-override", "kc-api-sign"}
    assert odd_headers("nowhere", ["Accept", "X-API-Key"]) == {"x-api-key"}
    for exchange, found in recorded().items():
        assert not [name for name in found.headers if "override" in name or "rewrite" in name or "original" in name], (
            exchange
        )
