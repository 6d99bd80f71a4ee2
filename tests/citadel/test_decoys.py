"""ccxt signs with a decoy what the real secret would have signed, and can be made to sign nothing else."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import string
import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import ccxt
import hypothesis
import pytest
from ccxt.base.exchange import BaseExchange
from hypothesis import strategies as st

from citadel import decoys, uses
from citadel.client import SignerClient, SignerRefused
from citadel.decoys import Decoys, Facts
from citadel.derivations import DERIVATIONS, Underivable, derive
from citadel.matrix.compare import Direct
from citadel.matrix.credentials import credential, key
from citadel.shapes import like, shape_of
from citadel.signer.primitives import Primitives
from tests.citadel.support import BEN, CLEO, ROOT, Vault


@pytest.fixture
def installed(quiet_vault: Vault) -> Iterator[Decoys]:
    client = quiet_vault.client()
    yield decoys.install(client)
    decoys.uninstall()
    client.close()


def test_a_read_is_signed_as_stock_ccxt_signs_it(installed: Decoys) -> None:
    given = installed.credentials(BEN.account)
    vaulted = ccxt.binance(given)
    stock = ccxt.binance({"apiKey": BEN.api_key, "secret": BEN.secret})
    now = stock.milliseconds()
    vaulted.nonce = stock.nonce = lambda: now

    for api, path in (("private", "account"), ("private", "myTrades"), ("fapiPrivateV3", "balance")):
        params = {"symbol": "BTCUSDT"} if path == "myTrades" else {}
        assert vaulted.sign(path, [api], "GET", params) == stock.sign(path, [api], "GET", params)
    assert given["apiKey"] == BEN.api_key and given["secret"] != BEN.secret and len(given["secret"]) == 64


def test_an_order_is_not_signed_this_way(installed: Decoys) -> None:
    exchange = ccxt.binance(installed.credentials(BEN.account))

    with pytest.raises(SignerRefused) as refusal:
        exchange.sign(
            "order", ["private"], "POST", {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
        )

    assert refusal.value.code == "payload_not_allowed"


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


# every exchange
class Stand:
    """Decoys whose signer is in this process."""

    def __init__(self) -> None:
        self.primitives = Primitives()
        self.client = Direct(self.primitives)
        self.decoys = decoys.install(cast(SignerClient, self.client))

    def open(self, exchange: str, *, account: bytes = BEN.account, **fields: str) -> dict[str, str]:
        self.primitives.put(account, exchange=exchange, fields=fields)
        facts = Facts(**self.primitives.facts(account))
        return self.decoys.credentials(account, exchange=exchange, facts=facts)


@pytest.fixture
def stand() -> Iterator[Stand]:
    yield Stand()
    decoys.uninstall()


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


# shapes
ALPHABETS = [
    "0123456789abcdef",
    "0123456789ABCDEF",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    string.ascii_letters + string.digits,
    string.ascii_letters + string.digits + "+/",
    string.ascii_letters + string.digits + "-_",
    string.ascii_letters + string.digits + string.punctuation,
]
bodies = st.sampled_from(ALPHABETS).flatmap(lambda alphabet: st.text(alphabet, min_size=32, max_size=120))
texts = st.builds(
    lambda prefix, body, padding: prefix + body + padding,
    st.sampled_from(["", "0x", "ed25519:"]),
    bodies,
    st.sampled_from(["", "=", "=="]),
)


@hypothesis.given(texts)
def test_a_decoy_has_the_length_and_the_alphabet_of_the_secret(secret: str) -> None:
    decoy = like(shape_of(secret))

    assert len(decoy) == len(secret) and decoy != secret
    for looks in (lambda text: text.endswith("="), lambda text: text.startswith("0x"), lambda text: len(text) > 66):
        assert looks(decoy) == looks(secret)
    alphabet = next((one for one in ALPHABETS if set(secret.removeprefix("0x").rstrip("=")) <= set(one)), None)
    if alphabet is not None:
        assert set(decoy.removeprefix("0x").rstrip("=")) <= set(alphabet)


def lengths(text: str) -> dict[str, int]:
    """The forms a text has and how long they are."""
    found = {}
    for name in DERIVATIONS:
        with contextlib.suppress(Underivable):
            found[name] = len(derive(name, text))
    return found


@pytest.mark.parametrize("kind", sorted(uses.KINDS))
def test_a_decoy_has_every_form_the_secret_has(kind: str) -> None:
    for _ in range(20):
        secret = key(kind) if kind not in ("rsa", "rsa_bare") else like(uses.KINDS[kind])
        having, wanted = lengths(like(shape_of(secret))), lengths(secret)

        # By chance a key reads as base32 or base58 too, which no exchange asks of its kind.
        forms = wanted.keys() - ({"base32"} if kind != "seed" else set())
        forms -= {"base58", "base58_32"} if kind not in ("orderly", "base58_88") else set()
        assert {name: having.get(name) for name in forms} == {name: wanted[name] for name in forms}


@hypothesis.given(st.text(max_size=200))
def test_no_text_is_without_a_shape(secret: str) -> None:
    assert len(like(shape_of(secret))) >= 32


@pytest.mark.parametrize("kind", ["rsa", "rsa_bare", "ed25519", "ec", "uuid", "orderly", "base58_88"])
def test_a_key_file_keeps_its_armour_and_its_lines(kind: str) -> None:
    secret = key(kind)
    decoy = like(shape_of(secret))

    assert shape_of(decoy) == shape_of(secret)
    assert decoy != secret and [len(line) for line in decoy.splitlines()] == [len(line) for line in secret.splitlines()]
    assert [line for line in decoy.splitlines() if line.startswith("-----")] == [
        line for line in secret.splitlines() if line.startswith("-----")
    ]
    # Only the armour is common: no line of the key itself has come along.
    assert not {line for line in secret.splitlines() if len(line) > 20 and "-----" not in line} & set(
        decoy.splitlines()
    )


def test_a_short_secret_gets_a_decoy_that_cannot_be_met_by_chance() -> None:
    assert len(like(shape_of("hunter2"))) == 32


@pytest.mark.parametrize("shape", [[["nothing", "3"]], [["hex", "-1"]], [["hex", "99999999"]], [["hex", "x"]]])
def test_what_is_no_shape_makes_no_decoy(shape: list[list[str]]) -> None:
    with pytest.raises(ValueError):
        like(shape)
