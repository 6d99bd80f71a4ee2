"""What each exchange asks for: a record of the pinned ccxt, and shapes that catch what was copied wrongly."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from citadel.domain.exchanges import cleaned, exchanges, faults, fields_of
from citadel.management.commands.record_exchanges import FILE, recorded

KEY = {"apiKey": "k" * 64, "secret": "s" * 64}


def words(code: str, credentials: dict[str, object]) -> dict[str, str]:
    return {fault.field: fault.words for fault in faults(code, credentials)}


def test_the_record_is_what_the_pinned_ccxt_says():
    assert json.loads(FILE.read_text()) == recorded()
    assert len(exchanges()) == 104


def test_a_web_process_does_not_import_ccxt():
    code = "import sys, citadel.domain.exchanges as e; e.exchanges(); print('ccxt' in sys.modules)"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_every_exchange_asks_for_something_under_names_that_can_be_sealed():
    for code in exchanges():
        fields = fields_of(code)
        assert 1 <= len(fields) <= 8, code
        assert all(field.label and field.kind in ("text", "password", "textarea") for field in fields), code


def test_what_ccxt_does_not_declare_is_asked_for_too():
    assert [field.name for field in fields_of("dydx")] == ["privateKey", "walletAddress"]
    assert [field.name for field in fields_of("apex")] == ["apiKey", "secret", "password", "seeds"]
    assert [field.name for field in fields_of("lighter")] == ["privateKey", "accountIndex", "apiKeyIndex"]
    assert {field.name: field.label for field in fields_of("okx")}["password"] == "Passphrase"
    assert {field.name: field.kind for field in fields_of("coinbase")}["secret"] == "textarea"


def test_copies_are_placed_at_binance_alone():
    assert [one.code for one in exchanges().values() if one.copying] == ["binance"]


def test_blanks_around_a_key_do_no_harm():
    assert faults("binance", cleaned({"apiKey": f" {'k' * 64}\n", "secret": f"{'s' * 64}\t"})) == []


@pytest.mark.parametrize(
    ("said", "field", "part"),
    [
        ({"secret": "s" * 64}, "apiKey", "is missing"),
        ({**KEY, "apiKey": ""}, "apiKey", "is missing"),
        ({**KEY, "apiKey": 7}, "apiKey", "must be a text"),
        ({**KEY, "apiKey": "k" * 63}, "apiKey", "has 63 characters"),
        ({**KEY, "secret": "s" * 513}, "secret", "512 is the most"),
        ({**KEY, "secret": "s" * 32 + " " + "s" * 31}, "secret", "blank inside"),
        ({**KEY, "secret": "s" * 63 + "\u00e9"}, "secret", "no key has"),
        ({**KEY, "secret": "s" * 63 + "\u0660"}, "secret", "no key has"),
        ({**KEY, "apiKey": "k" * 60 + "\r\nX:"}, "apiKey", "no key has"),
        ({**KEY, "secret": "-----BEGIN PRIVATE KEY-----"}, "secret", "HMAC"),
        ({**KEY, "passphrase": "x"}, "passphrase", "no such field"),
    ],
)
def test_what_was_copied_wrongly_is_named_and_never_repeated(said, field, part):
    found = words("binance", said)

    assert list(found) == [field]
    assert part in found[field]
    assert "ssss" not in found[field]
    assert "kkkk" not in found[field]


def test_a_key_file_is_taken_where_the_exchange_gives_one_out():
    pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"

    assert words("coinbase", {"apiKey": "organizations/1/apiKeys/2", "secret": pem}) == {}
