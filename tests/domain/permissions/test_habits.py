"""Habits of single exchanges: lists with other keys, accounts of two kinds, one answer in two shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from citadel.domain.permissions import Finding, Verdict
from tests.domain.permissions import answers as a
from tests.domain.permissions.cases import CASES
from trading.venues.permissions import Refused, checker_of, hyperliquid
from trading.venues.permissions.base import Means


def finding(code: str, answers: a.Answers, **about: object) -> Finding:
    return checker_of(code).verdict(answers, replace(CASES[code].about, **about)).finding


# -- not a clear no --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["maybe", None, 2, "", [], {}, 0.0])
@pytest.mark.parametrize(("code", "switch"), [("binance", "enableWithdrawals"), ("bingx", "enableWithdrawals")])
def test_a_switch_that_is_not_clearly_off_is_on(code, switch, answer):
    checker = checker_of(code)
    answers = {"binance": a.binance, "bingx": a.bingx}[code](**{switch: answer})

    assert checker.verdict(answers, a.ABOUT).reason == checker.words.withdraw


@pytest.mark.parametrize("answer", ["maybe", None, 2, [], 0.0])
def test_a_transfer_that_is_not_clearly_off_is_on(answer):
    for switch in ("enableInternalTransfer", "permitsUniversalTransfer"):
        found = checker_of("binance").verdict(a.binance(**{switch: answer}), a.ABOUT)
        assert found.reason == checker_of("binance").words.transfer


@pytest.mark.parametrize("off", [False, 0, "0", "false"])
def test_what_is_off_may_be_written_in_several_ways(off):
    assert finding("coinbase", a.coinbase(can_transfer=off)) is Finding.GOOD
    assert finding("gate", a.gate(spot=off)) is Finding.GOOD


def test_a_right_nobody_knows_that_speaks_of_withdrawals_is_one():
    assert checker_of("okx").verdict(a.okx("trade,sub_withdrawal"), a.ABOUT).finding is Finding.BAD
    assert checker_of("mexc").verdict(a.mexc("SPOT_DEAL_WRITE,CONTRACT_TRANSFER"), a.ABOUT).finding is Finding.BAD


# -- lists with other keys -------------------------------------------------------------------------------------------


def test_the_last_characters_find_the_key_in_a_list():
    assert finding("htx", a.htx(), key="0001") is Finding.GOOD
    assert finding("deribit", a.deribit(), key="0001") is Finding.GOOD


@pytest.mark.parametrize("key", ["", "1", "9999", "key-9999"])
def test_a_list_without_the_key_says_nothing_of_it(key):
    for code in ("htx", "deribit", "woofipro", "gate"):
        assert finding(code, CASES[code].good, key=key) is Finding.AMBER


def test_two_keys_that_end_alike_are_not_told_apart():
    answers = a.htx()
    answers[1]["data"][0]["accessKey"] = "other-0001"

    assert finding("htx", answers, key="0001") is Finding.AMBER
    assert finding("htx", answers, key=a.KEY) is Finding.GOOD


def test_the_end_of_a_key_does_not_find_one_of_which_the_start_is_shown():
    assert finding("gate", a.gate(), key="0001") is Finding.AMBER


def test_gate_may_answer_about_the_key_that_asks_alone():
    detail, rows = a.gate()

    assert finding("gate", [detail, rows[1] | {"key": {"mode": 1}}], key="0001") is Finding.GOOD


def test_a_sub_account_of_gate_may_not_ask_and_is_left_to_the_user():
    assert finding("gate", [a.gate()[0], Refused("FORBIDDEN")]) is Finding.AMBER


@pytest.mark.parametrize(
    ("code", "answers"),
    [
        ("gate", a.gate(state=3)),
        ("htx", a.htx(status="expired")),
        ("deribit", a.deribit(enabled=False)),
        ("woofipro", a.orderly(key_status="REMOVED")),
        ("mexc", a.mexc(status="INVALID")),
    ],
)
def test_a_key_the_exchange_has_switched_off_is_refused(code, answers):
    found = checker_of(code).verdict(answers, CASES[code].about)

    assert (found.finding, found.reason) == (Finding.BAD, Means.STOPPED.value)


def test_gates_addresses_are_the_keys_or_else_the_accounts():
    detail, rows = a.gate()
    del rows[1]["ip_whitelist"]

    found = checker_of("gate").verdict([detail, rows], a.ABOUT)

    assert found.permissions["ip_restricted"] is True


# -- accounts of two kinds -------------------------------------------------------------------------------------------


def test_a_unified_account_of_bitget_answers_the_second_question():
    unified = a.bitget_unified("uta_mgt", "uta_trade")[1]

    found = checker_of("bitget").verdict([Refused("40085"), unified], a.ABOUT)

    assert found == Verdict(Finding.GOOD, permissions=a.rights(spot=True, futures=True))


def test_a_classic_account_of_bitget_answers_the_first():
    assert finding("bitget", [a.bitget("stow")[0], Refused("40084")]) is Finding.GOOD


def test_a_unified_key_that_reads_is_refused_and_one_with_an_unknown_right_is_not_known():
    assert finding("bitget", a.bitget_unified("uta_mgt", "uta_trade", kind="read-only")) is Finding.BAD
    assert finding("bitget", a.bitget_unified("uta_mgt")) is Finding.BAD
    assert finding("bitget", a.bitget_unified("uta_trade", "p2p")) is Finding.AMBER
    assert finding("bitget", a.bitget_unified("uta_trade", "withdraw")) is Finding.BAD


def test_an_account_of_bitget_that_answers_neither_is_left_to_the_user():
    assert finding("bitget", [Refused("40085"), Refused("40084")]) is Finding.AMBER


# -- one answer in two shapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((1, 2, 3), Finding.GOOD),
        (("1", "2", "3"), Finding.GOOD),  # ccxt may hand numbers over as text
        ((2,), Finding.BAD),
        ((1, 2, 4), Finding.BAD),
        ((1, 2, 5), Finding.BAD),
        ((1, 2, 7), Finding.BAD),
        ((1, 2, None), Finding.AMBER),
        ((), Finding.AMBER),
    ],
)
def test_bingx_also_numbers_the_rights(numbers, expected):
    assert finding("bingx", a.bingx_numbers(*numbers)) is expected


# -- single habits ---------------------------------------------------------------------------------------------------


def test_a_binance_account_that_is_stopped_is_refused():
    assert finding("binance", a.binance(can_trade=False)) is Finding.BAD
    assert finding("binance", a.binance(can_trade="perhaps")) is Finding.AMBER


def test_a_key_for_spot_alone_is_good_for_spot_and_not_for_futures():
    answers = a.binance(enableFutures=False)

    assert finding("binance", answers) is Finding.GOOD
    assert checker_of("binanceusdm").verdict(answers, a.ABOUT).reason == checker_of("binanceusdm").words.trade


def test_an_account_that_is_not_clearly_of_a_key_that_writes_is_left_to_the_user():
    assert finding("bybit", a.bybit(read_only=None)) is Finding.AMBER
    assert finding("bybit", a.bybit(wallet="Withdraw?")) is Finding.BAD
    assert finding("bybit", a.bybit(wallet={})) is Finding.AMBER


def test_a_time_of_1970_is_no_time():
    found = checker_of("bybit").verdict(a.bybit(expiredAt="1970-01-01T00:00:00Z"), a.ABOUT)

    assert (found.finding, "expires_at" in found.permissions) == (Finding.GOOD, False)


@pytest.mark.parametrize("address", ["add-withdraw-address", "update-withdraw-address"])
def test_who_may_write_krakens_address_book_may_withdraw(address):
    assert finding("kraken", a.kraken("modify-trades", address)) is Finding.BAD


@pytest.mark.parametrize("role", ["user", "subAccount", "vault"])
def test_the_key_of_an_account_itself_is_refused(role):
    assert (
        checker_of("hyperliquid").verdict(a.hyperliquid(role), CASES["hyperliquid"].about).reason == hyperliquid.MASTER
    )


def test_an_api_wallet_of_somebody_else_is_refused():
    found = checker_of("hyperliquid").verdict(a.hyperliquid(owner=a.AGENT), CASES["hyperliquid"].about)

    assert (found.finding, found.reason) == (Finding.BAD, hyperliquid.FOREIGN)


def test_an_api_wallet_of_an_account_nobody_named_is_left_to_the_user():
    assert finding("hyperliquid", a.hyperliquid(), account="") is Finding.AMBER


def test_an_api_wallet_that_is_not_listed_has_no_end():
    found = checker_of("hyperliquid").verdict([a.hyperliquid()[0], []], CASES["hyperliquid"].about)

    assert (found.finding, "expires_at" in found.permissions) == (Finding.GOOD, False)
