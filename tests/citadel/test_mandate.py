"""A mandate says what was agreed, can be made by nobody else, and can be read in one way alone."""

from __future__ import annotations

from decimal import Decimal

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel.domain import mandate as forms
from citadel.domain.mandate import Caps, MandateRefused, read, seal
from tests.citadel.support import BEN, mandate

KEY, OTHER = b"k" * 32, b"o" * 32


def test_what_was_sealed_is_read() -> None:
    agreed = mandate(BEN, allow=frozenset({"BTCUSDT", "ETHUSDT"}), deny=frozenset({"SOLUSDT"}), band_bps=250)

    assert read(seal(agreed, key=KEY), key=KEY) == agreed


def test_another_key_makes_no_mandate() -> None:
    with pytest.raises(MandateRefused):
        read(seal(mandate(BEN), key=OTHER), key=KEY)


def test_every_flipped_bit_is_refused() -> None:
    sealed = seal(mandate(BEN), key=KEY)

    for at in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            with pytest.raises(MandateRefused):
                read(bytes(changed), key=KEY)


@given(st.binary(max_size=200))
def test_no_noise_is_a_mandate(noise: bytes) -> None:
    with pytest.raises(MandateRefused):
        read(noise, key=KEY)


def test_what_has_another_form_is_refused_even_under_the_key() -> None:
    parts = msgpack.unpackb(forms._packed(mandate(BEN)))

    for other in (parts[:-1], [*parts, 1], [*parts[:-1], 5], [*parts[:2], b"short", *parts[3:]], {}, 5):
        body = msgpack.packb(other)
        with pytest.raises(MandateRefused):
            read(body + forms._tag(body, KEY), key=KEY)


def test_an_amount_that_is_none_is_not_sealed() -> None:
    for amount in (Decimal("-1"), Decimal("NaN"), Decimal("Infinity")):
        with pytest.raises(ValueError):
            seal(mandate(BEN, caps=Caps(amount, Decimal(1), Decimal(1), 1)), key=KEY)
