"""Asking the signer's primitives directly, for the tests of what they answer and of what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from citadel.signer.primitives import PrimitiveRefused, Primitives

ACCOUNT = bytes(15) + b"\7"
KEY = "0x" + "00" * 31 + "01"


def opened(exchange: str, **fields: str) -> Primitives:
    primitives = Primitives()
    primitives.put(ACCOUNT, exchange=exchange, fields=fields)
    return primitives


def signed(primitives: Primitives, use: str, *args: Any) -> Any:
    field, op, derivation = use.split()
    return primitives.sign(account=ACCOUNT, field=field, op=op, derivation=derivation, args=args)


def refused(primitives: Primitives, use: str, *args: Any) -> str:
    with pytest.raises(PrimitiveRefused) as refusal:
        signed(primitives, use, *args)
    return refusal.value.code
