"""ccxt signs with a decoy what the real secret would have signed, and can be made to sign nothing else."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from collections.abc import Iterator

import ccxt
import pytest
from ccxt.base.exchange import BaseExchange

from citadel import decoys
from citadel.client import SignerRefused
from citadel.decoys import Decoys
from tests.citadel.support import BEN, CLEO, ROOT, Vault, now_ms


@pytest.fixture
def installed(quiet_vault: Vault) -> Iterator[Decoys]:
    client = quiet_vault.client()
    yield decoys.install(client)
    decoys.uninstall()
    client.close()


def test_a_request_bears_a_promise_in_place_of_its_signature(installed: Decoys) -> None:
    given = installed.credentials(BEN.account)
    vaulted = ccxt.binance(given)
    stock = ccxt.binance({"apiKey": BEN.api_key, "secret": BEN.secret})
    now = stock.milliseconds()
    vaulted.nonce = stock.nonce = lambda: now

    for api, path in (("private", "account"), ("private", "myTrades"), ("fapiPrivateV3", "balance")):
        params = {"symbol": "BTCUSDT"} if path == "myTrades" else {}
        ours, theirs = vaulted.sign(path, [api], "GET", params), stock.sign(path, [api], "GET", params)
        url, _, mark = ours["url"].rpartition("&signature=")
        expected, _, signature = theirs["url"].rpartition("&signature=")

        assert url == expected and mark != signature and len(mark) == 64
        assert ours | {"url": ""} == theirs | {"url": ""}
        assert installed.promise(mark) == (BEN.account, url.partition("?")[2].encode())
        assert installed.promise(mark) is None
    assert given["apiKey"] == BEN.api_key and given["secret"] != BEN.secret and len(given["secret"]) == 64


def test_the_subscription_to_the_own_stream_is_signed_as_stock_ccxt_signs_it(installed: Decoys) -> None:
    decoy = installed.of(BEN.account).encode()
    payload = f"apiKey={BEN.api_key}&recvWindow=5000&timestamp={now_ms()}".encode()

    assert BaseExchange.hmac(payload, decoy) == hmac.new(BEN.secret.encode(), payload, hashlib.sha256).hexdigest()


def test_what_is_no_decoy_is_signed_by_ccxt_itself(installed: Decoys) -> None:
    expected = hmac.new(b"mine", b"a=1", hashlib.sha256).hexdigest()

    assert BaseExchange.hmac(b"a=1", b"mine") == expected


def test_a_decoy_stays_the_same_until_it_is_forgotten(installed: Decoys) -> None:
    first = installed.of(BEN.account)

    assert installed.of(BEN.account) == first != installed.of(CLEO.account)
    installed.forget(BEN.account)
    assert installed.of(BEN.account) != first
    # What it signs now is what any wrong secret signs.
    assert BaseExchange.hmac(b"a=1", first.encode()) == hmac.new(first.encode(), b"a=1", hashlib.sha256).hexdigest()


def test_other_digests_of_a_decoy_are_refused(installed: Decoys) -> None:
    with pytest.raises(SignerRefused):
        BaseExchange.hmac(b"a=1", installed.of(BEN.account).encode(), hashlib.sha512)


def test_an_account_that_is_not_open_has_no_credentials(installed: Decoys) -> None:
    with pytest.raises(SignerRefused) as refusal:
        installed.credentials(CLEO.account)

    assert refusal.value.code == "unknown_account"


def test_uninstalling_gives_ccxt_its_own_back(quiet_vault: Vault) -> None:
    before = BaseExchange.hmac
    client = quiet_vault.client()

    assert decoys.install(client) is decoys.install(client)
    assert BaseExchange.hmac is not before
    decoys.uninstall()

    assert BaseExchange.hmac is before
    client.close()


def test_importing_the_module_does_not_import_ccxt() -> None:
    code = "import sys, citadel.decoys; print([name for name in ('django', 'ccxt') if name in sys.modules])"

    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert out.strip() == "[]"
