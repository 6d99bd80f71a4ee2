"""Every question of the checkers is a method of ccxt's class that is asked."""

from __future__ import annotations

import ccxt
import pytest

from trading.venues.permissions import CHECKERS, ccxt_class

ASKED = [(code, question) for checker in CHECKERS for code in checker.codes for question in checker.questions]


@pytest.mark.parametrize(("code", "question"), ASKED, ids=lambda value: getattr(value, "method", value))
def test_ccxt_has_the_method(code, question):
    exchange = getattr(ccxt, ccxt_class(question, code))()

    assert callable(getattr(exchange, question.method, None))
