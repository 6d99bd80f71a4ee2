"""ccxt signs with a decoy what the real secret would have signed, and can be made to sign nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import ccxt
import pytest
from ccxt.base.exchange import BaseExchange

from citadel import decoys, uses
from citadel.client import SignerClient, SignerRefused
from citadel.decoys import Decoys, Facts
from citadel.matrix.compare import Direct
from citadel.matrix.credentials import credential
from citadel.shapes import shape_of
from citadel.signer.primitives import Primitives
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
        url, _, placeholder = ours["url"].rpartition("&signature=")
        expected, _, signature = theirs["url"].rpartition("&signature=")

        assert url == expected and placeholder != signature and len(placeholder) == 64
        assert ours | {"url": ""} == theirs | {"url": ""}
        assert installed.promise(placeholder) == (BEN.account, url.partition("?")[2].encode())
        assert installed.promise(placeholder) is None
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


def test_decoys_of_a_block_go_with_it(installed: Decoys, stand_in: SignerClient) -> None:
    with decoys.alone(stand_in) as inner:
        assert inner is not installed and decoys.install(stand_in) is inner

    assert decoys.install(stand_in) is installed


def test_importing_the_module_does_not_import_ccxt() -> None:
    code = "import sys, citadel.decoys; print([name for name in ('django', 'ccxt') if name in sys.modules])"

    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert out.strip() == "[]"


# every exchange
class Stand:
    """Decoys whose signer is in this process."""

    def __init__(self, primitives: Primitives, client: Direct, known: Decoys) -> None:
        self.primitives, self.client, self.decoys = primitives, client, known

    def open(self, exchange: str, *, account: bytes = BEN.account, **fields: str) -> dict[str, str]:
        self.primitives.put(account, exchange=exchange, fields=fields)
        facts = Facts(**self.primitives.facts(account))
        return self.decoys.credentials(account, exchange=exchange, facts=facts)


@pytest.fixture
def stand() -> Iterator[Stand]:
    primitives = Primitives()
    client = Direct(primitives)
    with decoys.alone(cast(SignerClient, client), carried=frozenset()) as known:
        yield Stand(primitives, client, known)


@pytest.fixture
def stand_in() -> SignerClient:
    return cast(SignerClient, Direct(Primitives()))


def test_credentials_have_the_public_fields_and_decoys_for_the_others(stand: Stand) -> None:
    secret = "0123456789abcdef-0123-4567-89ab-cdef01234567"[8:]

    given = stand.open("kucoin", apiKey="a key", secret=secret, password="a test passphrase of Ben")

    assert given["apiKey"] == "a key" and given.keys() == {"apiKey", "secret", "password"}
    assert given["secret"] != secret and shape_of(given["secret"]) == shape_of(secret)
    assert given["password"] != "a test passphrase of Ben" and len(given["password"]) == 32


def test_a_passphrase_that_goes_out_in_a_header_is_not_kept_from_ccxt(stand: Stand) -> None:
    assert stand.open("okx", apiKey="a key", secret="A" * 32, password="pass")["password"] == "pass"


def test_a_decoy_answers_to_every_form_ccxt_makes_of_it(stand: Stand) -> None:
    secret = base64.b64encode(bytes(range(64))).decode()
    given = stand.open("kraken", apiKey="a key", secret=secret)["secret"]

    signature = BaseExchange.hmac(b"x", base64.b64decode(given), hashlib.sha512, "base64")

    assert signature == base64.b64encode(hmac.digest(bytes(range(64)), b"x", "sha512")).decode()


def test_an_address_comes_with_the_decoy(stand: Stand) -> None:
    secret = "0x" + "4b" * 32
    stock = BaseExchange.eth_get_address_from_private_key(secret)

    given = stand.open("aster", privateKey=secret)["privateKey"]

    assert BaseExchange.eth_get_address_from_private_key(given) == stock


def test_an_address_that_did_not_come_is_not_made_of_the_decoy(stand: Stand) -> None:
    given = stand.decoys.of(CLEO.account, exchange="aster", field="privateKey")

    with pytest.raises(SignerRefused) as refusal:
        BaseExchange.eth_get_address_from_private_key(given)

    assert refusal.value.code == "address_unknown"


def test_a_starknet_key_is_known_as_a_number(stand: Stand) -> None:
    given = stand.open("extended", apiKey="a key", privateKey="0x" + "5" * 61)["privateKey"]
    real = json.loads(BaseExchange.starknet_sign(77, "0x" + "5" * 61))

    for form in (given, int(given, 16), hex(int(given, 16))):
        assert json.loads(BaseExchange.extended_starknet_sign("0x4d", form)) == real


def test_a_message_of_another_account_is_not_its_secret(stand: Stand) -> None:
    first = stand.open("kucoin", apiKey="a", secret="s" * 36, password="p" * 40)
    second = stand.open("kucoin", account=CLEO.account, apiKey="b", secret="t" * 36, password="q" * 40)

    signature = BaseExchange.hmac(second["password"].encode(), first["secret"].encode())

    # What is signed is the decoy, as any other text.
    assert signature == hmac.digest(b"s" * 36, second["password"].encode(), "sha256").hex()


def test_a_use_that_the_exchange_does_not_make_is_refused_before_it_is_asked(stand: Stand) -> None:
    given = stand.open("okx", apiKey="a key", secret="A" * 32, password="pass")

    for ask in (
        lambda: BaseExchange.hmac(b"x", given["secret"].encode(), hashlib.sha1),
        lambda: BaseExchange.hmac(b"x", given["secret"].lower().upper().encode(), hashlib.blake2b),
        lambda: BaseExchange.ecdsa("11" * 32, given["secret"], "secp256k1"),
    ):
        with pytest.raises(SignerRefused) as refusal:
            ask()
        assert refusal.value.code == "algorithm_not_allowed"
    assert stand.client.asked == 0


def test_forgetting_an_account_forgets_all_of_its_fields(stand: Stand) -> None:
    given = stand.open("kucoin", apiKey="a", secret="s" * 36, password="p" * 40)
    other = stand.open("cryptomus", account=CLEO.account, uid="1", secret="t" * 64)

    stand.decoys.forget(BEN.account)
    stand.decoys.forget(CLEO.account)

    assert stand.decoys.find(given["secret"]) is None and stand.decoys.find(given["password"]) is None
    assert (
        BaseExchange.hash(b"x" + other["secret"].encode()) == hashlib.md5(b"x" + other["secret"].encode()).hexdigest()
    )
    assert stand.client.asked == 0


def test_a_path_that_was_missed_signs_with_the_decoy(stand: Stand) -> None:
    given = stand.open("okx", apiKey="a key", secret="A" * 32, password="pass")["secret"]

    # ccxt does with it what nobody has foreseen: the secret's last half.
    signature = BaseExchange.hmac(b"x", given[16:].encode())

    assert signature == hmac.digest(given[16:].encode(), b"x", "sha256").hex()
    assert signature != hmac.digest(b"A" * 16, b"x", "sha256").hex()
    assert stand.client.asked == 0


def test_asynchronous_and_streaming_classes_sign_the_same(stand: Stand) -> None:
    import ccxt.async_support
    import ccxt.pro

    fields = {"apiKey": "a key", "secret": "A" * 32, "password": "pass"}
    given = stand.open("okx", **fields)

    for module in (ccxt, ccxt.async_support, ccxt.pro):
        vaulted, stock = module.okx(given), module.okx(fields)
        vaulted.milliseconds = stock.milliseconds = lambda: 1_767_225_600_123
        assert vaulted.sign("account/balance", ["private"], "GET", {"ccy": "BTC"}) == stock.sign(
            "account/balance", ["private"], "GET", {"ccy": "BTC"}
        )
    assert stand.client.asked == 3


def test_an_action_is_signed_and_a_withdrawal_is_not(stand: Stand) -> None:
    import ccxt.pro

    fields = {"privateKey": "0x" + "4b" * 32, "walletAddress": "0x" + "1" * 40}
    vaulted = stand.decoys.hyperliquid(ccxt.pro.hyperliquid)(stand.open("hyperliquid", **fields))
    stock = ccxt.hyperliquid(fields)
    action = {"type": "cancel", "cancels": [{"a": 1, "o": 2}]}

    assert vaulted.sign_l1_action(action, 1_767_225_600_123) == stock.sign_l1_action(action, 1_767_225_600_123)
    with pytest.raises(SignerRefused) as refusal:
        vaulted.build_usd_send_sig(
            {"hyperliquidChain": "Mainnet", "destination": "0x" + "2" * 40, "amount": "1", "time": 1_767_225_600_123}
        )
    assert refusal.value.code == "algorithm_not_allowed"


def test_no_exchange_is_given_the_secret(stand: Stand) -> None:
    for exchange, profile in uses.PROFILES.items():
        real = credential(exchange, profile.kinds[0])
        given = stand.open(exchange, **real)

        assert given.keys() == real.keys()
        for field in profile.secret & real.keys():
            assert real[field] not in given.values()
        stand.decoys.forget(BEN.account)
