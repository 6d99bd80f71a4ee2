"""What an API key may do, exchange by exchange: which questions to ask, and what the answers come to."""

from __future__ import annotations

from collections.abc import Mapping

from trading.venues.permissions import (
    amber,
    binance,
    bingx,
    bitfinex,
    bitget,
    bybit,
    coinbase,
    deribit,
    gate,
    htx,
    hyperliquid,
    kraken,
    kucoin,
    mexc,
    okx,
    orderly,
    upbit,
)
from trading.venues.permissions.base import About, Away, Checker, Json, Question, Refused, Rights, Told, Words

__all__ = [
    "CHECKERS", "About", "Away", "Checker", "Json", "Question", "Refused", "Rights", "Told", "Words",
    "ccxt_class", "checker_of", "filled", "given",
]  # fmt: skip

CHECKERS: tuple[Checker, ...] = (
    binance.SPOT, binance.FUTURES, bingx.CHECKER, bitfinex.CHECKER, bitget.CHECKER, bybit.CHECKER, coinbase.CHECKER,
    deribit.CHECKER, gate.CHECKER, htx.CHECKER, hyperliquid.CHECKER, kraken.CHECKER, kucoin.SPOT, kucoin.FUTURES,
    mexc.CHECKER, okx.CHECKER, orderly.WOOFI, orderly.MODE, upbit.UPBIT, upbit.BITHUMB, amber.CHECKER,
)  # fmt: skip

_BY_CODE: Mapping[str, Checker] = {code: checker for checker in CHECKERS for code in checker.codes}


def checker_of(code: str) -> Checker:
    """The checker of an exchange, by ccxt's code.

    :raises KeyError: no checker names this exchange
    """
    return _BY_CODE[code]


def filled(question: Question, known: Mapping[str, str]) -> dict[str, str]:
    """The parameters to ask a question with.

    :param known: what stands for the names in braces
    :raises KeyError: a name is not known
    """
    return {
        name: known[value[1:-1]] if value.startswith("{") and value.endswith("}") else value
        for name, value in question.params.items()
    }


def given(question: Question, answer: Json) -> dict[str, str]:
    """What a question's answer makes known to the later ones; empty where it is not in the answer."""
    if question.gives is None or not isinstance(answer, dict):
        return {}
    name, place = question.gives
    value = answer.get(place)
    return {name: str(value)} if isinstance(value, (int, str)) and not isinstance(value, bool) else {}


def ccxt_class(question: Question, code: str) -> str:
    """The name of ccxt's class that is asked."""
    return question.ccxt or code
