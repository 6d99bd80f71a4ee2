"""Who is served by which checker, what is asked, and in which words is answered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import citadel
from tests.domain.permissions.cases import CASES, ONLY_DATES, WITHOUT_ADDRESSES, WITHOUT_TRANSFER
from trading.venues import permissions
from trading.venues.permissions import CHECKERS, amber, checker_of, filled
from trading.venues.permissions.base import EXPIRED, Means

EXCHANGES = json.loads((Path(citadel.__file__).parent / "exchanges.json").read_text())
CERTIFIED = {
    "binance": True, "binancecoinm": True, "binanceusdm": True, "bingx": True, "bitget": True, "bybit": True,
    "cryptocom": False, "gate": True, "hashkey": False, "hyperliquid": True, "kucoin": True, "kucoinfutures": True,
    "mexc": True, "okx": True, "woofipro": True,
}  # fmt: skip
"""Exchanges ccxt certifies, and whether they tell what a key may do."""


def test_every_certified_exchange_is_served_by_name():
    assert CERTIFIED.keys() == {code for code, row in EXCHANGES.items() if row["certified"]}
    assert {code: checker_of(code) is not amber.CHECKER for code in CERTIFIED} == CERTIFIED


def test_every_exchange_is_served_by_one_checker():
    assert sorted(code for checker in CHECKERS for code in checker.codes) == sorted(EXCHANGES)


def test_every_checker_that_asks_has_answers_here():
    asking = {code for checker in CHECKERS if checker.questions for code in checker.codes}

    assert asking == CASES.keys() | ONLY_DATES.keys()
    assert {code for code, case in CASES.items() if not case.transfer} == WITHOUT_TRANSFER
    assert {code for code, case in CASES.items() if not case.anywhere} == WITHOUT_ADDRESSES


def test_nothing_is_asked_that_changes_anything():
    asked = {question.method for checker in CHECKERS for question in checker.questions}
    # These exchanges ask by POST, and the names say what for.
    posts = {"publicPostInfo", "privatePostGetApiKeyInfo", "privatePostAuthRPermissions"}

    assert {method for method in asked if "Get" not in method} <= posts
    assert {method for method in asked if re.search("Post|Put|Delete|Patch", method)} == posts
    assert [method for method in asked if re.search("withdraw|transfer|order", method, re.IGNORECASE)] == []


def test_reasons_fit_where_they_are_kept_and_say_where_to_go():
    texts = {text for checker in CHECKERS for text in (
        checker.words.withdraw, checker.words.transfer, checker.words.trade, checker.words.confirm)}  # fmt: skip
    texts |= {means.value for means in Means} | {EXPIRED}

    assert {text: len(text) for text in texts if len(text) > 200} == {}
    for checker in CHECKERS:
        for text in (checker.words.withdraw, checker.words.transfer):
            assert " open " in text or checker is amber.CHECKER


def test_what_stands_in_braces_is_filled_in():
    uid, keys = checker_of("htx").questions

    known = permissions.given(uid, {"code": 200, "data": 63628520})

    assert known == {"uid": "63628520"}
    assert filled(keys, known | {"apiKey": "key-0001"}) == {"uid": "63628520", "accessKey": "key-0001"}
    with pytest.raises(KeyError):
        filled(keys, {"apiKey": "key-0001"})


@pytest.mark.parametrize("answer", [None, [], {}, {"data": True}, {"data": {}}])
def test_an_answer_without_the_field_makes_nothing_known(answer):
    assert permissions.given(checker_of("htx").questions[0], answer) == {}


def test_an_exchange_nobody_named_is_an_error():
    with pytest.raises(KeyError):
        checker_of("nowhere")
