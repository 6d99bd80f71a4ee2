"""Requests of exchanges that no policy reads: they leave from the vault, go where they may, and bring nothing back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from citadel import bearing, measured, metrics
from citadel.bearing import Use
from citadel.client import SILENCE, UNSENT, SignerClient, SignerRefused
from citadel.domain.permit import Permit, seal
from citadel.domain.request import Request
from citadel.questions import EgressClient
from citadel.signer.carrying import completed
from citadel.signer.primitives import Primitives
from tests.citadel.carried import Heard, Peer, account, peer
from tests.citadel.support import CLEO, MANDATE_KEY, TENANT, Vault

BALANCE = "https://www.okx.com/api/v5/account/balance"
ORDER = "https://www.okx.com/api/v5/trade/order"
OKX = {"apiKey": "9f6c1d9e", "secret": "00112233445566778899AABBCCDDEEFF", "password": "Passphrase1"}
HEADERS: dict[str, dict[str, str]] = {
    "alpaca": {"apiKey": "AK-1", "secret": "alpaca-secret-000001"},
    "bitteam": {"apiKey": "bt-1", "secret": "bitteam-secret-000001"},
    "blockchaincom": {"apiKey": "bc-1", "secret": "blockchain-secret-001"},
    "luno": {"apiKey": "luno-1", "secret": "luno-secret-0000000001"},
    "mudrex": {"secret": "mudrex-secret-00000001"},
    "onetrading": {"apiKey": "onetrading-token-00001"},
}


@pytest.fixture(scope="module")
def exchanges() -> Iterator[Peer]:
    with peer() as found:
        yield found


@pytest.fixture(scope="module")
def pair(exchanges: Peer) -> Iterator[Vault]:
    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        vault = Vault(Path(directory), exchanges.port)
        try:
            vault.start_egress()
            vault.start_signer()
            yield vault
        finally:
            vault.close()


@pytest.fixture
def heard(exchanges: Peer) -> Iterator[Peer]:
    exchanges.heard.clear()
    exchanges.answer = lambda one: (200, {})
    yield exchanges


def permit(exchange: str, number: int, *, on: bool = True) -> bytes:
    return seal(Permit(TENANT, exchange, number, on), key=bytes.fromhex(MANDATE_KEY))


def signing(payload: bytes = b"x", *, field: str = "secret", op: str = "hmac", args: Any = None) -> Use:
    args = ["sha256", payload] if args is None else args
    return Use(bearing.placeholder(bearing.length(op, args)), field, op, "text", args)


# what a worker does
def test_okx_gets_its_request_with_the_signature_and_the_worker_never_has_it(pair: Vault, heard: Peer) -> None:
    one = account(pair, "okx", OKX)
    heard.answer = lambda asked: (200, {"code": "0", "data": [{"perm": "trade"}], "msg": ""})

    told = one.ask("private_get_account_config")

    assert told["data"] == [{"perm": "trade"}]
    asked = heard.heard[0]
    payload = (asked.headers["ok-access-timestamp"] + "GET" + asked.target).encode()
    signature = base64.b64encode(hmac.digest(OKX["secret"].encode(), payload, "sha256")).decode()
    assert asked.headers["ok-access-sign"] == signature
    assert (asked.headers["host"], asked.target) == ("www.okx.com", "/api/v5/account/config")
    assert one.held["secret"] != OKX["secret"] and "x-obscura-bears" not in asked.headers


def test_a_body_is_signed_and_sent_as_it_was_built(pair: Vault, heard: Peer) -> None:
    one = account(pair, "bybit", {"apiKey": "by-1", "secret": "s" * 36}, permit("bybit", 1))
    heard.answer = lambda asked: (200, {"retCode": 0, "retMsg": "OK", "result": {"orderId": "1"}})

    one.ask("private_post_v5_order_create", {"symbol": "BTCUSDT", "qty": "0.1", "note": "ü b"})

    asked = heard.heard[0]
    payload = asked.headers["x-bapi-timestamp"] + "by-1" + asked.headers["x-bapi-recv-window"] + asked.body
    assert asked.headers["x-bapi-sign"] == hmac.digest(b"s" * 36, payload.encode(), "sha256").hex()
    assert json.loads(asked.body)["note"] == "ü b"


def test_two_signatures_of_which_one_is_over_the_passphrase(pair: Vault, heard: Peer) -> None:
    keys = {"apiKey": "ku-1", "secret": "01234567-89ab-cdef-0123-456789abcdef", "password": "pass-of-ku"}
    one = account(pair, "kucoin", keys)
    heard.answer = lambda asked: (200, {"code": "200000", "data": {}})

    one.ask("private_get_user_api_key")

    asked = heard.heard[0].headers
    phrase = hmac.digest(keys["secret"].encode(), keys["password"].encode(), "sha256")
    assert asked["kc-api-passphrase"] == base64.b64encode(phrase).decode()
    assert keys["password"] not in str(heard.heard)


@pytest.mark.parametrize(
    ("exchange", "method"),
    [
        ("alpaca", "trader_private_get_v2_account"),
        ("bitteam", "private_get_trade_api_ccxt_balance"),
        ("blockchaincom", "private_get_accounts"),
        ("luno", "private_get_balance"),
        ("mudrex", "private_get_futures_positions"),
        ("onetrading", "private_get_account_balances"),
    ],
)
def test_a_secret_in_a_header_is_put_in_by_the_vault(pair: Vault, heard: Peer, exchange: str, method: str) -> None:
    fields = HEADERS[exchange]
    one = account(pair, exchange, fields)

    told = one.ask(method)

    stock = getattr(ccxt, exchange)(fields)
    secret = fields["apiKey" if exchange == "onetrading" else "secret"]
    expected = {secret, base64.b64encode(f"{fields.get('apiKey')}:{secret}".encode()).decode()}
    values = " ".join(heard.heard[0].headers.values())
    assert any(value in values for value in expected)
    assert secret not in str(one.held) and told == {}
    assert set(stock.requiredCredentials) >= set(fields)


def test_every_kind_of_key_completes_requests_behind_the_closed_sandbox(pair: Vault, heard: Peer) -> None:
    """Nothing may be loaded late: the signer that is asked here cannot open a file any more."""
    curve, ed, big = (
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65_537, 2_048),
    )

    def armoured(key: Any) -> str:
        return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())

    def signature(exchange: str, secret: str, url: str, op: str, args: list[Any], form: str = "text") -> bytes:
        key = {"uid": "k"} if exchange == "cryptomus" else {"apiKey": "k"}
        one = account(pair, exchange, key | {"secret": secret})
        use = Use(bearing.placeholder(bearing.length(op, args)), "secret", op, form, args)
        result = one.send(
            use, url=url, headers=[("User-Agent", use.placeholder.hex())], method="POST" if "kraken" in url else "GET"
        )
        assert result.status == 200, result.body
        return bytes.fromhex(heard.heard[-1].headers["user-agent"])

    bybit = "https://api.bybit.com/v5/user/query-api"
    big.public_key().verify(
        signature("bybit", armoured(big), bybit, "rsa", ["sha256", "pkcs1", b"p"]), b"p", padding.PKCS1v15(), SHA256()
    )
    kraken = "https://api.kraken.com/0/private/GetApiKeyInfo"
    secret = base64.b64encode(b"s" * 64).decode()
    assert signature("kraken", secret, kraken, "hmac", ["sha512", b"x"], "base64") == hmac.digest(
        b"s" * 64, b"x", "sha512"
    )
    coinbase = "https://api.coinbase.com/api/v3/brokerage/key_permissions"
    pair_of = signature("coinbase", armoured(curve), coinbase, "ecdsa", ["p256", "sha256", b"x"])
    r, s = int.from_bytes(pair_of[:32], "big"), int.from_bytes(pair_of[32:], "big")
    curve.public_key().verify(encode_dss_signature(r, s), b"x", ec.ECDSA(SHA256()))
    backpack = "https://api.backpack.exchange/api/v1/capital"
    seed = base64.b64encode(ed.private_bytes_raw()).decode()
    ed.public_key().verify(signature("backpack", seed, backpack, "eddsa", [b"x"], "base64"), b"x")
    cryptomus = "https://api.cryptomus.com/v2/user-api/exchange/account/balance"
    assert signature("cryptomus", "s" * 64, cryptomus, "hash", ["md5", b"x"]) == hashlib.md5(b"x" + b"s" * 64).digest()


# what a worker turned hostile asks for
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"method": "POST", "url": "https://www.okx.com/api/v5/asset/withdrawal"}, b"request_not_allowed"),
        ({"method": "POST", "url": "https://www.okx.com/api/v5/asset/transfer"}, b"request_not_allowed"),
        ({"method": "POST"}, b"request_not_allowed"),
        ({"method": "POST", "url": ORDER}, b"unchecked_not_permitted"),
        ({"method": "POST", "url": "https://www.okx.com/api/v5/trade/cancel-order"}, b"unchecked_not_permitted"),
        ({"url": "https://evil.com/api/v5/account/balance"}, b"request_not_allowed"),
        ({"url": "https://www.okx.com@evil.com/api/v5/account/balance"}, b"request_host"),
        ({"url": "https://api.binance.com/api/v3/account"}, b"request_not_allowed"),
        ({"url": BALANCE.replace("https", "http")}, b"request_scheme"),
        ({"url": "https://www.okx.com/api/v5/account/../asset/withdrawal"}, b"request_path"),
        ({"headers": [("OK-ACCESS-SIGN", "nothing")]}, b"placeholder_missing"),
        ({"headers": [("OK-ACCESS-SIGN", "PLACEHOLDER\r\nX-B: b")]}, b"request_headers"),
        (
            {"headers": [("OK-ACCESS-SIGN", "PLACEHOLDER"), ("X-HTTP-Method-Override", "POST")]},
            b"request_headers",
        ),
        ({"url": f"{BALANCE}?%5Fmethod=POST"}, b"request_method"),
        ({"body": b'{"_method": "POST"}'}, b"request_method"),
        ({"headers": [["OK-ACCESS-SIGN"]]}, b"request_malformed"),
        ({"headers": [("OK-ACCESS-SIGN", b"bytes")]}, b"request_malformed"),
        ({"uses": []}, b"nothing_to_place"),
        ({"uses": [[bytes(32), "secret", "hmac", "text", ["sha256", b"x"]]] * 5}, b"uses_count"),
        ({"uses": ["x"]}, b"use_malformed"),
        ({"uses": [[b"short", "secret", "hmac", "text", ["sha256", b"x"]]]}, b"use_malformed"),
        ({"uses": [[bytes(32), "secret", "hmac", "text", []]]}, b"use_malformed"),
        ({"uses": [[bytes(32), "password", "hmac", "text", ["sha256", b"x"]]]}, b"use_not_allowed"),
        ({"uses": [[bytes(32), "other", "hmac", "text", ["sha256", b"x"]]]}, b"unknown_field"),
        ({"decoy": "decoy-of-a-secret"}, b"header_none"),
        ({"env": "mainnet"}, b"environment_unknown"),
        ({"account": CLEO.account}, b"unknown_account"),
        ({"account": b"short"}, b"unknown_account"),
        ({"timeout_ms": 0}, b"request_malformed"),
        ({"not_after_ms": -1}, b"request_malformed"),
        ({"body": "text"}, b"bad_fields"),
    ],
    ids=str,
)
def test_what_a_worker_may_not_ask_is_refused_and_nothing_is_sent(
    pair: Vault, heard: Peer, changed: dict[str, Any], code: bytes
) -> None:
    one, use = account(pair, "okx", OKX, permit("okx", 1, on=False)), signing()
    if "headers" not in changed:
        changed = {**changed, "headers": [("OK-ACCESS-SIGN", use.placeholder.hex())]}
    changed["headers"] = [
        tuple(part.replace("PLACEHOLDER", use.placeholder.hex()) if isinstance(part, str) else part for part in pair_)
        for pair_ in changed["headers"]
    ]

    result = one.send(use, **({"url": BALANCE} | changed))

    assert (result.status, result.body) == (UNSENT, code)
    assert heard.heard == []


def test_orders_are_sent_where_the_tenant_has_permitted_them_and_no_longer(pair: Vault, heard: Peer) -> None:
    def order(*permits: bytes) -> tuple[int, bytes]:
        one, use = account(pair, "okxus", OKX, *permits), signing()
        result = one.send(
            use,
            url="https://us.okx.com/api/v5/trade/order",
            method="POST",
            headers=[("OK-ACCESS-SIGN", use.placeholder.hex())],
        )
        return result.status, result.body if result.status == UNSENT else b""

    assert order() == (UNSENT, b"unchecked_not_permitted")
    assert order(permit("okxus", 1)) == (200, b"")
    assert order(permit("okxus", 2, on=False)) == (UNSENT, b"unchecked_not_permitted")
    assert len(heard.heard) == 1


def test_what_is_carried_is_counted_by_what_it_does_and_never_by_where_it_went(pair: Vault, heard: Peer) -> None:
    client, asked = pair.client(), EgressClient(run_dir=pair.directory)
    before, sent = Counter(_signed(client)), _answered(asked)
    use = signing()
    one = account(pair, "okxus", OKX, permit("okxus", 3))
    headers = [("OK-ACCESS-SIGN", use.placeholder.hex())]
    for path, method in (("trade/order", "POST"), ("account/balance", "GET"), ("asset/withdrawal", "POST")):
        one.send(use, url=f"https://us.okx.com/api/v5/{path}", method=method, headers=headers)

    assert Counter(_signed(client)) - before == Counter(carried_order=1, carried_read=1)
    assert _answered(asked) - sent == 2
    client.close()
    asked.close()


def _signed(client: SignerClient) -> dict[str, int]:
    return {kind: count for kind, exchange, count in client.stats()["signed"] if exchange == "okxus"}


def _answered(client: EgressClient) -> float:
    found = measured._of_egress(client.stats())
    requests = [one for one in found if one.name == metrics.REQUESTS.name]
    assert {one.labels[1:3] for one in requests} <= {("rest", "paper"), ("spot", "paper"), ("usdm", "paper")}
    return sum(one.value for one in requests if one.labels == ("okxus", "rest", "paper", "answered"))


def test_a_withdrawal_is_not_sent_whatever_was_permitted(pair: Vault, heard: Peer) -> None:
    one, use = account(pair, "myokx", OKX, permit("myokx", 1)), signing()

    result = one.send(
        use,
        url="https://eea.okx.com/api/v5/asset/withdrawal",
        method="POST",
        headers=[("OK-ACCESS-SIGN", use.placeholder.hex())],
    )

    assert (result.status, result.body, heard.heard) == (UNSENT, b"request_not_allowed", [])
    client = pair.client()
    asked = [facts.get("request") for _, _, kind, facts, *_ in entries(client) if kind == "refused"]
    client.close()
    assert "myokx rest paper POST /api/v5/asset/withdrawal" in asked


def entries(client: Any) -> list[Any]:
    import time

    for _ in range(300):  # refusals are gathered for a second
        found = client.audit(after=0)["entries"]
        if any(one[2] == "refused" and "myokx" in str(one[3]) for one in found):
            return list(found)
        time.sleep(0.01)
    return list(found)


def test_what_was_put_in_does_not_come_back(pair: Vault, heard: Peer) -> None:
    """An exchange that repeats what it was sent, in whatever spelling, tells the worker nothing."""
    one, use = account(pair, "okx", OKX), signing(b"what is signed")
    real = hmac.digest(OKX["secret"].encode(), b"what is signed", "sha256")

    def repeating(asked: Heard) -> tuple[int, Any]:
        assert asked.headers["ok-access-sign"] == real.hex()
        return 200, {
            "hex": real.hex(),
            "b64": base64.b64encode(real).decode(),
            "secret": "another",
        }

    heard.answer = repeating
    result = one.send(use, url=BALANCE, headers=[("OK-ACCESS-SIGN", use.placeholder.hex())])

    assert json.loads(result.body) == {"hex": "***", "b64": "***", "secret": "***"}
    assert result.headers == {"retry-after": "***"}


def test_a_secret_that_was_sent_in_a_header_does_not_come_back(pair: Vault, heard: Peer) -> None:
    fields = HEADERS["luno"]
    one = account(pair, "luno", fields)
    heard.answer = lambda asked: (200, {"said": asked.headers["authorization"], "read": fields["secret"]})

    assert one.ask("private_get_balance") == {"said": "Basic ***", "read": "***"}


def test_the_egress_gets_no_secret_that_the_request_does_not_have(pair: Vault) -> None:
    primitives = Primitives()
    primitives.put(CLEO.account, exchange="okx", fields=OKX)
    use = signing(b"what is signed")
    request = Request("GET", BALANCE, (("OK-ACCESS-SIGN", use.placeholder.hex()),), b"")

    whole, hide = completed(
        primitives,
        account=CLEO.account,
        request=request,
        asked=[list(use)],
        decoy="",
    )

    assert all(OKX["secret"].encode() not in text for text in [*hide, str(whole).encode()])


def test_an_exchange_that_lists_keys_does_not_tell_what_signs_with_them(pair: Vault, heard: Peer) -> None:
    one = account(pair, "deribit", {"apiKey": "de-1", "secret": "deribit-secret-000001"})
    listed = {"client_id": "de-2", "client_secret": "secret \\" + '"of another key', "max_scope": "trade:read"}
    heard.answer = lambda asked: (200, {"jsonrpc": "2.0", "result": [listed]})

    told = one.ask("private_get_list_api_keys")

    assert told["result"] == [listed | {"client_secret": "***"}]


def test_a_decoy_of_another_account_places_nothing(pair: Vault, heard: Peer) -> None:
    account(pair, "luno", HEADERS["luno"], one=CLEO)
    one = account(pair, "luno", {"apiKey": "luno-2", "secret": "luno-secret-0000000002"})

    result = one.send(
        url="https://api.luno.com/api/1/balance", headers=[("Authorization", "Basic decoy")], decoy="no-decoy-of-mine"
    )

    assert (result.status, result.body, heard.heard) == (UNSENT, b"header_decoy", [])


def test_a_frame_that_is_sent_twice_goes_out_once(pair: Vault, heard: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    one, use = account(pair, "okx", OKX), signing()
    monkeypatch.setattr("citadel.chunks.os.urandom", lambda size: b"7" * size)

    first = one.send(use, url=BALANCE, headers=[("OK-ACCESS-SIGN", use.placeholder.hex())])
    again = one.send(use, url=BALANCE, headers=[("OK-ACCESS-SIGN", use.placeholder.hex())])

    assert (first.status, again.status, again.body) == (200, UNSENT, b"chunk_repeated")
    assert len(heard.heard) == 1


def test_a_worker_cannot_hand_the_egress_a_request_itself(pair: Vault, heard: Peer) -> None:
    """Where signer and worker are users of their own; with one for all, the frame is at least looked at."""
    import socket

    from citadel.domain.frames import pack, unpack

    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(2)
        plain.connect(str(pair.directory / "egress.sock"))
        plain.sendall(pack({"op": "carry", "chunk": b"x"}))
        assert unpack(plain.recv(1 << 16)[4:])["code"] == "bad_fields"
    assert heard.heard == []


# when something is away
def test_an_exchange_that_does_not_answer_is_silence(pair: Vault, heard: Peer) -> None:
    import threading

    one, use, over = account(pair, "okx", OKX), signing(), threading.Event()
    heard.answer = lambda asked: (200, {}) if over.wait(5) else (500, {})

    result = one.send(use, url=BALANCE, headers=[("OK-ACCESS-SIGN", use.placeholder.hex())], timeout_ms=100)

    over.set()
    assert result.status == SILENCE


def test_ccxt_hears_of_a_refusal(pair: Vault, heard: Peer) -> None:
    one = account(pair, "okx", OKX, permit("okx", 9, on=False))

    with pytest.raises(SignerRefused) as found:
        one.ask("private_post_trade_order", {"instId": "BTC-USDT"})

    assert (found.value.code, heard.heard) == ("unchecked_not_permitted", [])
