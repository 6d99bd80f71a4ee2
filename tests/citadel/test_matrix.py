"""The matrix: a sample of it on every run of the tests, and the record of the whole held against the installed ccxt."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import ccxt
import pytest

from citadel import replaced, uses
from citadel.domain.exchanges import exchanges
from citadel.matrix import __main__ as command
from citadel.matrix import record
from citadel.matrix.compare import Row, row
from citadel.signer.primitives import Primitives
from tests.citadel.support import ROOT

SAMPLE = {
    "binance": 40,  # HMAC, RSA and Ed25519
    "okx": 10,
    "kraken": 2,
    "coinbase": 10,  # ES256 and EdDSA tokens
    "coinone": 2,  # upper case
    "btcbox": 1,  # md5 of the secret
    "kucoin": 10,  # the passphrase is the message
    "cryptomus": 1,  # the secret is hashed
    "lbank": 10,  # a PEM made of the secret
    "woofipro": 10,  # base58
    "deribit": 10,  # one-time passwords
    "aster": 20,  # addresses
    "hyperliquid": 1,
    "paradex": 20,
    "luno": 1,
    "ndax": 5,
}


@pytest.mark.parametrize(("exchange", "every"), SAMPLE.items())
def test_requests_with_a_decoy_are_those_with_the_secret(exchange: str, every: int) -> None:
    compared = row(exchange, every=every)

    assert compared.note == "" and compared.equal
    assert compared.signed > 0
    assert set(compared.uses) <= set(record.recorded()["exchanges"][exchange]["uses"])


def test_the_record_is_of_the_ccxt_that_is_installed_and_pinned() -> None:
    pinned = re.search(r"^ccxt==(.*)$", (ROOT / "requirements" / "base.in").read_text(), re.MULTILINE)

    assert pinned is not None
    assert record.recorded()["ccxt"] == ccxt.__version__ == pinned[1], "run make matrix ARGS=--record"


def test_the_record_has_every_exchange_and_no_other() -> None:
    recorded = record.recorded()["exchanges"]

    assert list(recorded) == ccxt.exchanges
    assert set(recorded) == set(uses.PROFILES) == set(exchanges())


def test_every_exchange_was_equal_and_signed_something() -> None:
    recorded = record.recorded()["exchanges"]

    assert {name for name, one in recorded.items() if not one["equal"] or not one["signed"]} == set()
    assert sorted(name for name, one in recorded.items() if one["header"]) == [
        "alpaca", "bitteam", "blockchaincom", "luno", "mudrex", "onetrading",
    ]  # fmt: skip
    # What is allowed is what is used, but for keys written in another way than the matrix writes them.
    for name, one in recorded.items():
        assert set(one["uses"]) <= uses.PROFILES[name].uses


def test_a_wrong_signature_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Primitives.sign

    def wrong(self: Primitives, **question: Any) -> Any:
        signature = right(self, **question)
        return bytes([signature[0] ^ 1, *signature[1:]])

    monkeypatch.setattr(Primitives, "sign", wrong)

    compared = row("okx", every=10)

    assert not compared.equal and compared.note.startswith("HEX32: Endpoint(path=")
    assert f"and {compared.signed - 1} more" in compared.note


def test_a_path_that_was_missed_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(replaced.PRIMITIVES, "hmac")

    compared = row("okx", every=10)

    assert not compared.equal and compared.signed == 0


def test_an_exchange_without_a_profile_is_not_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(uses.PROFILES, "okx")

    assert not row("okx").equal


def test_what_became_worse_or_is_new_is_complained_of() -> None:
    def found(name: str, *, equal: bool) -> Row:
        return Row(name, (), 1, 1, 0, equal=equal, header=False, note="GET differs")

    against = {"ccxt": "1.0", "exchanges": {"one": {"equal": True}, "two": {"equal": False}, "three": {"equal": True}}}

    rows = [found("one", equal=False), found("two", equal=False), found("three", equal=True), found("four", equal=True)]

    assert record.complaints(rows, against=against) == [
        "one was equal with ccxt 1.0 and is not: GET differs",
        "four is new: run make matrix ARGS=--record and look at its row.",
    ]
    assert record.summary(rows) == (
        "equal 2 of 4 by signatures, 0 of 0 with the secret in a header; 4 requests compared, 4 of them signed"
    )


def test_the_command_prints_a_table_and_fails_on_complaints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["matrix", "--only", "okx,luno", "--every", "20"])
    assert command.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["exchange", "primitives", "used", "compared", "signed", "equal", "note"]
    assert lines[1].startswith("okx") and "secret hmac text sha256" in lines[1]
    assert lines[2].startswith("luno") and "secret in a header" in lines[2]
    assert lines[3].startswith("equal 1 of 2 by signatures, 1 of 1 with the secret in a header; ")

    monkeypatch.setattr(record, "recorded", lambda: {"ccxt": "1.0", "exchanges": {"luno": {"equal": True}}})
    monkeypatch.setattr(sys, "argv", ["matrix", "--only", "okx", "--every", "20", "--json"])
    assert command.main() == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["exchanges"]["okx"]["equal"] is True
    assert err == "okx is new: run make matrix ARGS=--record and look at its row.\n"


def test_a_record_is_written_as_it_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(record, "PATH", tmp_path / "matrix.json")
    one = Row("okx", ("secret hmac text sha256",), 3, 2, 1, equal=True, header=False, note="ü")

    assert record.recorded() == {"ccxt": "", "exchanges": {}}
    record.write([one], version="1.0")

    assert record.recorded()["ccxt"] == "1.0"
    assert record.recorded()["exchanges"]["okx"]["uses"] == ["secret hmac text sha256"]
    assert record.complaints([one], against=record.recorded()) == []
