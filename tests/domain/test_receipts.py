"""Leaves of the receipt log, against digests made here from the description of the format alone."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.domain.receipts import KINDS, Leaves, leaf, text
from tests.domain.drawn import D, amounts, law
from trading.domain.order_state import Status
from trading.domain.reasons import Reason

NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, UTC)


def by_hand(person: bytes, *parts: bytes) -> bytes:
    body = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hashlib.blake2b(body, digest_size=32, person=person).digest()


def test_a_fill_is_hashed_as_the_page_says():
    fields = ["t_zero", "spot", "BTCUSDT", "ab" * 16, 56, D("0.00100"), D("5E+4"), True, None, NOON]

    assert leaf("fill", fields) == by_hand(
        b"obsc-fill",
        b"t_zero",
        b"spot",
        b"BTCUSDT",
        b"ab" * 16,
        b"56",
        b"0.001",
        b"50000",
        b"1",
        b"",
        b"1795176000123456",
    )


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("lead_fill", "0713d53fd5a0060a86abaa6fdaa3727a08175b9a825dccb7df08c91346d07fb2"),
        ("signal", "78f9ccba72e4a84be8f69db7fef3f14c8bf2de595bacb115d018c04f8c532034"),
        ("order", "f9d96b641341b97824055e2bec5965f772bb17ea3cd45d0320cf3399d1138e9a"),
        ("fill", "15c151e03fbdc1612b4de95877744f5337aa9c553fe2db0f4e3b7914f393b5e5"),
        ("denial", "b593fb380842ae27d8d0654e7f18e9feb07134e5b913fd5f29174c168f828cc7"),
    ],
)
def test_the_leaf_of_an_example_never_changes(kind, digest):
    assert leaf(kind, ["t_zero", 7, D("0.5")]).hex() == digest


def test_each_kind_has_leaves_of_its_own():
    assert len({leaf(kind, ["the same"]) for kind in KINDS}) == len(KINDS) == 6


def test_fields_do_not_run_into_each_other():
    assert leaf("order", ["ab", "c"]) != leaf("order", ["a", "bc"]) != leaf("order", ["abc"])


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (None, ""),
        ("Zürich", "Zürich"),
        (False, "0"),
        (-7, "-7"),
        (D("1E-8"), "0.00000001"),
        (D("1.500"), "1.5"),
        (D("1E+3"), "1000"),
        (D("100"), "100"),
        (D("0E-18"), "0"),
        (D("-0.00"), "0"),
        (D("-0.10"), "-0.1"),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "0"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Reason.BUDGET_USED, "budget_used"),
        (Status.FILLED, "6"),
    ],
)
def test_every_value_has_one_text(value, canonical):
    assert text(value) == canonical


@pytest.mark.parametrize("value", [0.1, float("nan"), D("NaN"), D("Infinity"), b"raw", datetime(2026, 1, 1), [1], {}])  # noqa: DTZ001
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError):
        leaf("order", [value])
    with pytest.raises(TypeError):
        Leaves("order", [value])
    with pytest.raises(TypeError):
        Leaves("order", []).leaf(value)


fields = st.lists(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.datetimes(timezones=st.just(UTC))
    | st.uuids(),
    max_size=5,
)


@law
@given(kind=st.sampled_from(KINDS), shared=fields, own=fields, others=fields)
def test_leaves_that_share_their_beginning_are_the_leaves(kind, shared, own, others):
    leaves = Leaves(kind, shared)

    assert leaves.leaf(*others) == leaf(kind, [*shared, *others])
    assert leaves.leaf(*own) == leaf(kind, [*shared, *own])  # whatever was hashed before


@law
@given(value=amounts("-1000", "1000", 12), zeros=st.integers(0, 9))
def test_a_number_has_one_text_however_many_zeros_it_was_kept_with(value, zeros):
    assert text(value.quantize(D(1).scaleb(-12 - zeros))) == text(value)
    assert Decimal(text(value)) == value
