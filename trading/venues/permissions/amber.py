"""Exchanges that cannot be asked what a key may do, each by its name: the user looks and confirms."""

from __future__ import annotations

from trading.venues.permissions.base import Checker, Words

CONFIRM = (
    "This exchange does not tell what a key may do. Look at the key there and confirm that it may trade and cannot "
    "withdraw or transfer."
)

CODES = (
    "alpaca", "apex", "aster", "backpack", "bequant", "bigone", "binanceus", "bit2c", "bitbank", "bitbns", "bitflyer",
    "bitopro", "bitrue", "bitso", "bitstamp", "bitteam", "bittrade", "bitvavo", "blockchaincom", "blofin", "btcbox",
    "btcmarkets", "btcturk", "btse", "bullish", "bydfi", "cex", "coinbaseexchange", "coinbaseinternational",
    "coincheck", "coinmate", "coinone", "coinsph", "coinspot", "cryptocom", "cryptomus", "deepcoin", "delta", "derive",
    "digifinex", "dydx", "extended", "fmfwio", "foxbit", "gemini", "grvt", "hashkey", "hibachi", "hitbtc", "hollaex",
    "independentreserve", "indodax", "krakenfutures", "latoken", "lbank", "lighter", "luno", "mercado", "mudrex",
    "nado", "ndax", "onetrading", "p2b", "pacifica", "paradex", "paymium", "phemex", "poloniex", "polymarket",
    "revolutx", "tokocrypto", "toobit", "weex", "whitebit", "woo", "xt", "zaif", "zebpay",
)  # fmt: skip

CHECKER = Checker(
    codes=CODES, questions=(), words=Words(CONFIRM, CONFIRM, CONFIRM, CONFIRM), read=lambda told, about: None
)
