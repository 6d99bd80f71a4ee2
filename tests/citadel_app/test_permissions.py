"""From a venue's answers to a verdict: trading yes, taking money out never, silence is not an answer."""

from __future__ import annotations

import json

import pytest

from citadel.domain import permissions as p
from citadel.domain.permissions import Answer, Finding
from tests.citadel_app.conftest import RESTRICTIONS

CAN_TRADE = Answer(200, b'{"canTrade":true}')


def restrictions(**changes: object) -> Answer:
    return Answer(200, json.dumps({**RESTRICTIONS, **changes}).encode())


def refusal(code: int, status: int = 400) -> Answer:
    return Answer(status, json.dumps({"code": code, "msg": "no"}).encode())


def test_a_key_that_trades_and_nothing_else_is_good():
    found = p.of_binance(CAN_TRADE, restrictions())

    assert (found.finding, found.reason) == (Finding.GOOD, "")
    assert found.permissions == {
        "trade": True, "spot": True, "futures": False, "withdraw": False, "transfer": False,
        "ip_restricted": True, "note": "",
    }  # fmt: skip


def test_a_key_that_works_from_anywhere_is_noted():
    found = p.of_binance(CAN_TRADE, restrictions(ipRestrict=False))

    assert found.finding is Finding.GOOD
    assert found.permissions["note"] == "The key works from any address. Limit it to ours at the exchange."


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"enableWithdrawals": True}, p.WITHDRAWALS_ON),
        ({"enableWithdrawals": "maybe"}, p.WITHDRAWALS_ON),
        ({"enableWithdrawals": None}, p.WITHDRAWALS_ON),
        ({"enableInternalTransfer": True}, p.TRANSFERS_ON),
        ({"permitsUniversalTransfer": True}, p.TRANSFERS_ON),
        ({"enableSpotAndMarginTrading": False}, p.NO_TRADING),
    ],
)
def test_what_a_key_may_too_much_or_too_little_refuses_it(changes, reason):
    found = p.of_binance(CAN_TRADE, restrictions(**changes))

    assert (found.finding, found.reason) == (Finding.BAD, reason)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refusal(-2015, 401), p.KEY_UNKNOWN),
        (refusal(-2014, 401), p.KEY_UNKNOWN),
        (refusal(-2008), p.KEY_UNKNOWN),
        (refusal(-1022), p.SECRET_WRONG),
    ],
)
def test_a_key_the_venue_refuses_is_refused(answer, reason):
    assert p.of_binance(answer, None) == p.Verdict(Finding.BAD, reason)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0, b"timeout"),
        Answer(-1, b"egress_unavailable"),
        Answer(200, b"<html>"),
        Answer(200, b"[]"),
        Answer(200, b'{"canTrade":"yes"}'),
        Answer(403, b""),
        Answer(418, b"{}"),
        Answer(429, b"{}"),
        Answer(503, b""),
        refusal(-1021),
        refusal(-1003, 429),
    ],
)
def test_no_answer_about_the_key_is_no_verdict(answer):
    assert p.of_binance(answer, None).finding is Finding.AWAY
    if answer.status != 200:
        assert p.settled(answer) is True


@pytest.mark.parametrize("answer", [None, Answer(0, b""), Answer(503, b""), Answer(429, b"")])
def test_restrictions_that_were_not_answered_are_asked_again(answer):
    assert p.of_binance(CAN_TRADE, answer).finding is Finding.AWAY


@pytest.mark.parametrize("answer", [Answer(404, b""), refusal(-1100), Answer(200, b"{}"), Answer(200, b"[1]")])
def test_restrictions_the_venue_does_not_tell_are_noted(answer):
    found = p.of_binance(CAN_TRADE, answer)

    assert found.finding is Finding.GOOD
    assert found.permissions == {"trade": True, "withdraw": None, "transfer": None, "note": p.NOT_TOLD}


def test_reasons_fit_where_they_are_kept():
    words = (p.WITHDRAWALS_ON, p.TRANSFERS_ON, p.NO_TRADING, p.KEY_UNKNOWN, p.SECRET_WRONG, p.AWAY)

    assert [text for text in words if len(text) > 200] == []


def test_an_account_that_is_stopped_is_refused():
    assert p.of_binance(Answer(200, b'{"canTrade":false}'), None).finding is Finding.BAD
