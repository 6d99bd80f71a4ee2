"""The table of an order's states holds together."""

from __future__ import annotations

import pytest

from trading import copies
from trading.domain.order_state import IN_FLIGHT, TERMINAL, TRANSITIONS, IllegalMove, Status, check, sources


def test_an_order_is_either_in_flight_or_done():
    assert set(Status) == TERMINAL | IN_FLIGHT
    assert frozenset() == TERMINAL & IN_FLIGHT


def test_sources_are_the_table_read_backwards():
    assert {(was, to) for to in Status for was in sources(to)} == {
        (was, to) for was, targets in TRANSITIONS.items() for to in targets
    }


def test_the_table_names_every_state_and_none_leads_to_itself():
    assert set(TRANSITIONS) == set(Status)
    assert [state for state, targets in TRANSITIONS.items() if state in targets] == []


def test_only_a_claim_and_reconciliation_send():
    assert sources(Status.SENDING) == (Status.PLANNED, Status.UNSURE)


def test_only_what_certainly_does_not_exist_comes_back_to_planned_and_what_is_filled_or_rejected_stays_so():
    assert sources(Status.PLANNED) == (Status.SENDING,)
    assert TRANSITIONS[Status.FILLED] == TRANSITIONS[Status.REJECTED] == frozenset()


def test_a_fill_is_never_refused_while_the_venue_may_still_tell_of_one():
    deaf = {state for state in Status if Status.FILLED not in TRANSITIONS[state]}

    assert deaf == {Status.PLANNED, Status.FILLED, Status.REJECTED}  # nothing was sent, it is known, it was refused


def test_every_order_can_still_come_to_an_end():
    ends = set(TERMINAL)
    while grown := {state for state in set(Status) - ends if TRANSITIONS[state] & ends}:
        ends |= grown

    assert ends == set(Status)


def test_a_move_against_the_arrows_is_refused():
    check(Status.CANCELED, Status.FILLED)  # the fill overtook the cancel

    with pytest.raises(IllegalMove, match="FILLED cannot become CANCELED"):
        check(Status.FILLED, Status.CANCELED)


def test_the_stored_numbers_are_these_for_good():
    assert {status.name: int(status) for status in Status} == {
        "PLANNED": 1,
        "SENDING": 2,
        "UNSURE": 3,
        "WORKING": 4,
        "PARTIAL": 5,
        "FILLED": 6,
        "CANCELED": 7,
        "EXPIRED": 8,
        "REJECTED": 9,
        "MISSED": 10,
    }
    assert Status.choices()[4] == (5, "Partial")


def test_every_state_has_an_outcome_a_follower_can_read():
    assert set(copies.OUTCOMES) == set(Status)
