"""What is compared where exchanges sign inside methods: the methods, with arguments of every sort they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Call = Callable[[Any], Any]

_HASH = "0x" + "3" * 63
_ORDER = {"sender": "0x" + "11" * 32, "priceX18": 10**18, "amount": -5, "expiration": 4, "nonce": 7, "appendix": 1}


def _echo(exchange: Any) -> None:
    # Where a method ends in a request, the request's parameters are what it comes to.
    exchange.privatePostAuth = lambda params: {"jwt_token": exchange.json(params)}


def _paradex(exchange: Any) -> list[Call]:
    _echo(exchange)
    market = {"market": "BTC-USD-PERP", "type": "MARKET", "side": "BUY", "size": "0.5"}
    limit = {"market": "ETH-USD-PERP", "type": "LIMIT", "side": "SELL", "size": "1.25", "price": "2000.5", "id": "9"}
    return [
        lambda one: one.authenticate_rest(),
        lambda one: one.sign_order_request(market),
        lambda one: one.sign_order_request(limit),
        lambda one: one.sign_order_request(limit, True),
    ]


def _dydx(_: Any) -> list[Call]:
    def signed(text: bytes) -> Call:
        return lambda one: one.sign_message(text, one.options["dydxCredentials"]["privateKey"])

    return [signed(b"an order"), signed(b""), signed(bytes(300))]


def _extended(_: Any) -> list[Call]:
    account = {"l2Vault": "12", "l2Key": "0x" + "5" * 60}
    currency = {"info": {"starkexId": "0x31", "starkexResolution": "1000000"}}
    return [
        lambda one: one.extended_starknet_sign(_HASH, one.privateKey),
        lambda one: one.extended_starknet_sign(int(_HASH, 16), one.privateKey),
        lambda one: one.create_withdrawal_settlement_data("0x" + "6" * 60, "12.5", currency, account),
        lambda one: one.create_transfer_settlement_data("3.5", currency, account, "13", "0x" + "7" * 60),
    ]


def _grvt(_: Any) -> list[Call]:
    def signed(kind: str, **message: Any) -> Call:
        return lambda one: one.create_signed_request({**message, "signature": one.default_signature()}, kind)

    currency = {"numericId": 3}
    accounts = {"from_account_id": "0x" + "22" * 20, "to_account_id": "0x" + "33" * 20}
    transfer = {**accounts, "from_sub_account_id": "1", "to_sub_account_id": "2", "num_tokens": 5}
    rates = {"max_futures_fee_rate": "0.1", "max_spot_fee_rate": "0.2"}
    return [
        lambda one: one.eth_get_address_from_private_key(one.privateKey),
        signed("EIP712_WALLETLOGIN_TYPE", address="0x" + "44" * 20),
        signed(
            "EIP712_BUILDER_APPROVAL_TYPE",
            main_account_id="0x" + "22" * 20,
            builder_account_id="0x" + "33" * 20,
            **rates,
        ),  # fmt: skip
        lambda one: one.create_signed_request(
            {**transfer, "signature": one.default_signature()}, "EIP712_TRANSFER_TYPE", currency
        ),
    ]


def _hibachi(_: Any) -> list[Call]:
    return [
        lambda one: one.sign_message(b"an order", one.privateKey),
        lambda one: one.sign_message(bytes(range(256)), one.privateKey),
    ]


def _hyperliquid(_: Any) -> list[Call]:
    order = {
        "type": "order",
        "orders": [{"a": 3, "b": True, "p": "65000.5", "s": "0.01", "r": False, "t": {"limit": {"tif": "Ioc"}}}],
        "grouping": "na",
    }
    cancel = {"type": "cancelByCloid", "cancels": [{"asset": 3, "cloid": "0x" + "12" * 16}]}
    return [
        lambda one: one.sign_l1_action(order, one.milliseconds()),
        lambda one: one.sign_l1_action(cancel, one.milliseconds() + 1),
        lambda one: one.sign_l1_action(order, one.milliseconds(), "ab" * 20),
        lambda one: one.sign_l1_action(order, one.milliseconds(), None, one.milliseconds() + 5_000),
    ]


def _lighter(_: Any) -> list[Call]:
    return [
        lambda one: one.eth_get_address_from_private_key(one.privateKey),
        lambda one: one.sign_l1_and_prepare_tx_info('{"a":1}', "register", one.privateKey),
        lambda one: one.sign_l1_and_prepare_tx_info('{"b":[1,2]}', "x" * 300, one.privateKey),
    ]


def _nado(_: Any) -> list[Call]:
    contract = "0x" + "55" * 20
    cancel = {"sender": "0x" + "11" * 32, "productIds": [1, 2], "nonce": 8}
    return [
        lambda one: one.sign_order(_ORDER, 2, "57073"),
        lambda one: one.sign_cancellation({**cancel, "digests": ["0x" + "66" * 32]}, "57073", contract),
        lambda one: one.sign_cancellation_products(cancel, "57073", contract),
        lambda one: one.sign_fetch_trigger_orders(
            {"sender": "0x" + "11" * 32, "recvTime": one.milliseconds()}, "57073", contract
        ),
    ]


def _pacifica(_: Any) -> list[Call]:
    def signed(kind: str, payload: dict[str, Any]) -> Call:
        return lambda one: one.sign_message(
            {"type": kind, "timestamp": one.milliseconds(), "expiry_window": 5000}, payload, one.privateKey
        )

    return [
        signed("create_order", {"symbol": "BTC", "side": "bid", "amount": "0.1"}),
        signed("cancel_order", {"id": 1}),
    ]


def _polymarket(_: Any) -> list[Call]:
    return [
        lambda one: one.sign_perps_op(["o", 1, "2.5", True], {"type": "order"}),
        lambda one: one.sign_perps_op(["c", 7], {"type": "cancel"}, {"exp": 9}),
        lambda one: one.sign_message(b"a withdrawal", one.privateKey),
        lambda one: one.eth_get_address_from_private_key(one.privateKey),
    ]


def _totp(_: Any) -> list[Call]:
    return [lambda one: one.oath()]


METHODS: dict[str, Callable[[Any], list[Call]]] = {
    "deribit": _totp,
    "dydx": _dydx,
    "extended": _extended,
    "grvt": _grvt,
    "hibachi": _hibachi,
    "hyperliquid": _hyperliquid,
    "lighter": _lighter,
    "nado": _nado,
    "ndax": _totp,
    "pacifica": _pacifica,
    "paradex": _paradex,
    "polymarket": _polymarket,
}
"""By exchange: given an instance (to prepare), the calls to make on it."""

LEFT_OUT: dict[tuple[str, str], tuple[str, str]] = {
    ("coinbaseinternational", "text43"): ("auth", "public/auth of the Deribit route sends the secret itself"),
}
"""By exchange and kind of key: a path that is not served: it sends the decoy, which is no use to anyone."""
