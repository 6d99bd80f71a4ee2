"""What is unusual in the vault's last minutes, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from citadel.domain.trail import GENESIS, Told, digest, fits
from citadel.domain.unusual import Fact, Finding, Limits, unusual

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LIMITS = Limits(refusals=10, tenants=3, times=5, quiet=100)


def ago(**parts: float) -> datetime:
    return NOON - timedelta(**parts)


def refused(code: str, count: int, at: datetime = NOON, **more: str) -> Fact:
    return Fact(at, "refused", {"op": "send", "code": code, "count": count, **more})


def signed(at: datetime, **codes: int) -> Fact:
    return Fact(at, "signed", {"signed": 1, "refused": codes})


def unopened(tenants: list[int], at: datetime = NOON) -> Fact:
    return Fact(
        at, "unopened", {"op": "open", "codes": {"envelope_refused": 1}, "tenants": {str(n): 1 for n in tenants}}
    )


def found(*entries: Fact, minutes: list[tuple[datetime, int]] | None = None) -> list[Finding]:
    return unusual(entries, minutes or [], now=NOON, limits=LIMITS)


def test_a_quiet_vault_tells_nothing() -> None:
    entries = [signed(ago(minutes=1), mandate_loss=3), refused("bad_fields", 1), unopened([7, 8])]
    sealed = Fact(NOON, "sealed", {"tenant": 7})

    assert found(*entries, sealed, Fact(NOON, "stop", {})) == []


def test_refusals_of_one_code_are_added_up_over_all_kinds_of_entry() -> None:
    at = ago(seconds=5)
    entries = [signed(ago(minutes=4), mandate_loss=6, mark_unknown=10), signed(at, mandate_loss=5)]
    more = refused("mark_unknown", 1, ago(minutes=2))

    assert found(*entries) == [Finding("refusals.mandate_loss", at, {"count": 11})]
    assert [one.kind for one in found(*entries, more)] == ["refusals.mandate_loss", "refusals.mark_unknown"]


def test_what_is_older_than_the_window_does_not_count() -> None:
    old = ago(minutes=5, seconds=1)
    later = NOON + timedelta(seconds=1)

    assert found(refused("bad_fields", 50, old), refused("bad_fields", 10), refused("bad_fields", 50, later)) == []


@pytest.mark.parametrize(
    "path",
    ["/sapi/v1/capital/withdraw/apply", "/sapi/v1/asset/Transfer", "/sapi/v1/sub-account/universalTransfer"],
)
def test_a_withdrawal_is_told_of_when_it_is_asked_for_once(path: str) -> None:
    request = f"binance spot live POST {path}"

    [one] = found(refused("request_not_allowed", 1, request=request))

    assert one == Finding("withdrawal_asked", NOON, {"count": 1, "requests": [request]})
    assert found(refused("request_not_allowed", 1, request="binance spot live POST /api/v3/order/oco")) == []


def test_envelopes_of_many_tenants_that_do_not_open() -> None:
    assert found(unopened([7, 8]), unopened([8, 7])) == []
    assert found(unopened([7, 8], ago(minutes=1)), unopened([9], ago(minutes=2))) == [
        Finding("envelopes_refused", ago(minutes=1), {"tenants": 3})
    ]


def test_a_signer_that_started_again() -> None:
    first = Fact(ago(minutes=3), "start", {}, first=True)

    assert found(first) == []
    assert found(first, Fact(ago(minutes=2), "start", {}), Fact(ago(minutes=1), "start", {})) == [
        Finding("signer_restarted", ago(minutes=1), {"times": 2})
    ]


def test_what_the_signer_could_not_record() -> None:
    entries = [Fact(ago(minutes=2), "unrecorded", {"chunks": 2, "rows": 30}), Fact(NOON, "dropped", {"entries": 7})]

    assert found(*entries, Fact(NOON, "unrecorded", {"chunks": 1, "rows": 1})) == [
        Finding("signer_entries_missing", NOON, {"chunks": 3, "rows": 31, "entries": 7})
    ]


def test_more_signatures_than_some_times_the_usual_minute() -> None:
    usual = [(ago(minutes=n), 200 + n) for n in range(10, 41)]  # its median is 225

    assert found(minutes=[*usual, (ago(minutes=2), 1_125)]) == []
    assert found(minutes=[*usual, (ago(minutes=2), 1_126)]) == [
        Finding("signatures_high", ago(minutes=2), {"signed": 1_126, "usual": 225})
    ]
    assert found(minutes=[*usual, (ago(minutes=20), 9_999)]) == []  # it has been told


def test_where_nothing_is_usual_yet_a_quiet_minute_is() -> None:
    assert found(minutes=[(ago(minutes=1), 500)]) == []
    assert [one.facts for one in found(minutes=[(ago(minutes=1), 501)])] == [{"signed": 501, "usual": 100}]
    quiet = [(ago(minutes=n), 1) for n in range(10, 41)]
    assert found(minutes=[*quiet, (ago(minutes=1), 500)]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 2},
        {"at": 1_001},
        {"kind": "stop"},
        {"facts": {"keys": "other"}},
        {"facts": {}},
        {"previous": "1" * 64},
        {"digest": "1" * 64},
    ],
)
def test_an_entry_fits_as_it_was_told_and_no_other_way(change: dict[str, object]) -> None:
    facts = {"keys": "local", "ä": 1}
    made = digest(chain="c", sequence=1, at=1_000, kind="start", facts=facts, previous=GENESIS)
    told = Told(1, 1_000, "start", dict(reversed(facts.items())), GENESIS, made)

    assert fits(told, chain="c", previous=GENESIS)
    assert not fits(told, chain="d", previous=GENESIS)
    assert not fits(told, chain="c", previous="1" * 64)
    assert not fits(told._replace(**change), chain="c", previous=GENESIS)
