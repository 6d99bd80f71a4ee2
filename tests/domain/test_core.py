"""Ids, money, errors, secrets and time: the floor everything stands on."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from obscura.core import clock, ids, money
from obscura.core.errors import Conflict, Forbidden, Invalid, NotFound, Problem, Unavailable
from obscura.core.secrets import Secret
from tests.domain.drawn import NOON, D, amounts, law

KEY = ids.id_key("an installation's secret")

tenants = st.integers(1, 2**24 - 1)
signals = st.integers(0, 2**48 - 1)
legs = st.tuples(st.integers(1, 2**40 - 1), st.integers(0, 2**16 - 1))

# -- ids -------------------------------------------------------------------------------------------------------------


def test_a_client_order_id_is_one_block_over_tenant_signal_subscription_and_leg():
    (made,) = ids.client_order_ids(key=KEY, tenant=3, signal=0xABCDEF012345, legs=[(7, 1)])

    block = bytes.fromhex("000003" + "abcdef012345" + "0000000007" + "0001")
    assert made == Cipher(algorithms.AES(KEY), modes.ECB()).encryptor().update(block).hex()  # noqa: S305
    assert hashlib.blake2b(b"an installation's secret", digest_size=16, person=b"obscura-coid").digest() == KEY


@law
@given(tenant=tenants, signal=signals, many=st.lists(legs, min_size=1, max_size=20))
def test_client_order_ids_lead_back_to_what_they_were_made_of(tenant, signal, many):
    made = ids.client_order_ids(key=KEY, tenant=tenant, signal=signal, legs=many)

    assert made == ids.client_order_ids(key=KEY, tenant=tenant, signal=signal, legs=many)
    assert [ids.parse_client_order_id(key=KEY, text=one) for one in made] == [(tenant, signal, *leg) for leg in many]
    assert all(len(one) == 32 and set(one) <= set("0123456789abcdef") for one in made)
    assert len(set(made)) == len(set(many))


@law
@given(st.sets(st.tuples(tenants, signals, legs), min_size=2, max_size=20))
def test_no_two_causes_share_a_client_order_id(causes):
    made = [
        ids.client_order_ids(key=KEY, tenant=tenant, signal=signal, legs=[leg])[0] for tenant, signal, leg in causes
    ]

    assert len(set(made)) == len(causes)


@law
@given(st.text(max_size=40) | st.text("0123456789abcdefABCDEF ", min_size=32, max_size=32))
def test_a_text_is_ours_only_if_we_would_write_it_so(text):
    found = ids.parse_client_order_id(key=KEY, text=text)

    if found is not None:
        made = ids.client_order_ids(
            key=KEY, tenant=found.tenant, signal=found.signal, legs=[(found.subscription, found.leg)]
        )
        assert made == [text]


@pytest.mark.parametrize("text", ["", "web_1234", "AB" * 16, "ab " * 10 + "ab", "ab" * 15 + " \n", "ab" * 17])
def test_what_others_wrote_is_not_ours(text):
    assert ids.parse_client_order_id(key=KEY, text=text) is None


def test_a_signals_id_is_a_function_of_its_natural_key():
    pool = UUID(int=5)
    first = ids.signal_id(pool=pool, external_id="spot:BTCUSDT:7:1", leg=0)

    assert first == ids.signal_id(pool=pool, external_id="spot:BTCUSDT:7:1", leg=0) < 2**48
    others = {
        ids.signal_id(pool=UUID(int=6), external_id="spot:BTCUSDT:7:1", leg=0),
        ids.signal_id(pool=pool, external_id="spot:BTCUSDT:7:2", leg=0),
        ids.signal_id(pool=pool, external_id="spot:BTCUSDT:7:1", leg=1),
        ids.signal_id(pool=pool, external_id="spot:BTCUSDT:7:1", leg=0, probe=1),
    }
    assert len(others | {first}) == 5


def test_uuids_are_ordered_by_the_millisecond_they_were_made_in(monkeypatch):
    made = []
    for millis in (1, 2, 1_795_176_000_123, 1_795_176_000_124, 2**48 - 1):
        monkeypatch.setattr("obscura.core.ids.time.time_ns", lambda at=millis: at * 1_000_000)
        made.append(ids.uuid7())

    assert made == sorted(made)
    assert [one.version for one in made] == [7] * 5
    assert {one.variant for one in made} == {"specified in RFC 4122"}
    assert made[2].int >> 80 == 1_795_176_000_123


def test_uuids_of_one_moment_differ(monkeypatch):
    monkeypatch.setattr("obscura.core.ids.time.time_ns", lambda: 5_000_000)

    assert len({ids.uuid7() for _ in range(1000)}) == 1000


# -- money -----------------------------------------------------------------------------------------------------------

steps = st.sampled_from([D("1e-18"), D("1e-8"), D("0.003"), D("0.25"), D(1), D(3), D(700)])


@law
@given(value=amounts("-99999999999", "99999999999", 18), step=steps)
def test_rounding_goes_to_the_grid_and_never_past_the_value(value, step):
    low, high = money.floor_to(value, step), money.ceil_to(value, step)

    assert low <= value <= high
    if abs(value / step) < D("1e26"):
        assert low % step == high % step == 0
        assert high - low in (0, step)


def test_a_quotient_that_rounds_up_does_not_lift_the_floor():
    value = D("2999999999.9999999999999999999999")  # a third of it needs more digits than a Decimal keeps

    assert money.floor_to(value, D(3)) == D(2_999_999_997)
    assert money.ceil_to(D("3000000000.0000000000000000000001"), D(3)) == D(3_000_000_003)


def test_no_step_is_no_grid():
    assert money.floor_to(D("1.23"), D(0)) == money.ceil_to(D("1.23"), D(0)) == D("1.23")


@law
@given(amounts("-1000000", "1000000", 18))
def test_plain_is_the_number_itself_without_exponent_or_trailing_zeros(value):
    text = money.plain(value)

    assert Decimal(text) == value
    assert set(text) <= set("-.0123456789")
    assert "." not in text or text[-1] not in ".0"


def test_plain_keeps_the_zeros_of_whole_numbers():
    assert [money.plain(D(text)) for text in ("1E+3", "1E-8", "100", "0.10", "0E-18")] == [
        "1000",
        "0.00000001",
        "100",
        "0.1",
        "0",
    ]


@pytest.mark.parametrize(
    ("given", "found"),
    [("1.50", "1.50"), (7, "7"), (D("0.1"), "0.1"), (0.1, "0.1"), (1e-8, "1E-8"), ("-3", "-3")],
)
def test_numbers_are_taken_as_they_were_written(given, found):
    assert str(money.parse(given)) == found


@pytest.mark.parametrize("given", [None, True, "", "one", "NaN", "Infinity", float("inf"), [], {}, "1,5"])
def test_what_is_no_number_is_none(given):
    assert money.parse(given) is None


# -- errors ----------------------------------------------------------------------------------------------------------


def test_a_problem_says_what_happened_and_what_to_do_next():
    problem = NotFound("No pool of this id.", code="pool_unknown", details={"pool": "7"})

    assert problem.as_dict() == {
        "error": {
            "code": "pool_unknown",
            "message": "No pool of this id.",
            "remedy": NotFound.remedy,
            "details": {"pool": "7"},
        }
    }
    assert (problem.http_status, problem.retryable, str(problem)) == (404, False, "No pool of this id.")


def test_a_problem_without_words_says_its_own():
    assert Unavailable().as_dict()["error"] == {
        "code": "unavailable",
        "message": "A part that is needed does not answer right now.",
        "remedy": Unavailable.remedy,
    }
    assert Unavailable().retryable is True
    assert Unavailable(retryable=False).retryable is False


def test_a_problem_nobody_described_says_its_code():
    class Nameless(Problem):
        code = "nameless"

    assert str(Nameless()) == "nameless"


@pytest.mark.parametrize(
    ("problem", "status"), [(Problem, 400), (NotFound, 404), (Invalid, 400), (Forbidden, 403), (Conflict, 409)]
)
def test_each_kind_has_its_status_and_a_remedy(problem, status):
    assert problem().http_status == status
    assert problem().remedy.endswith(".")


def test_one_problem_does_not_change_the_next():
    NotFound(code="other", remedy="Else.", http_status=410)

    assert (NotFound().code, NotFound().http_status) == ("not_found", 404)


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_is_shown_to_who_asks_and_to_nobody_else():
    secret = Secret("hunter2")

    assert secret.reveal() == "hunter2"
    assert f"{secret} {secret!r} {[secret]}" == "Secret(•••) Secret(•••) [Secret(•••)]"
    assert "hunter2" not in "%s" % secret  # noqa: UP031
    assert (bool(secret), bool(Secret(""))) == (True, False)
    assert not hasattr(secret, "__dict__")
    assert secret != Secret("hunter2")


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_cannot_be_carried_off(take):
    with pytest.raises(TypeError, match="Secret") as refused:
        take(Secret("hunter2"))

    assert "hunter2" not in str(refused.value)


# -- time ------------------------------------------------------------------------------------------------------------


@law
@given(st.integers(0, 4_102_444_800_000))
def test_a_venues_milliseconds_come_back_as_they_were(millis):
    assert clock.millis(clock.from_millis(millis)) == millis


def test_moments_are_aware_and_in_utc():
    assert clock.from_millis(1_795_176_000_123) == NOON + timedelta(milliseconds=123)
    assert clock.from_millis(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    assert clock.micros(NOON + timedelta(microseconds=7)) == 1_795_176_000_000_007
