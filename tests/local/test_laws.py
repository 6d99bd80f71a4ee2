"""The law checker finds each kind of violation on made-up records, and nothing where all is well."""

from __future__ import annotations

from obscura.local.laws import DenialRow, Execution, LeadTrade, OrderRow, Run, SignalRow, check

BUY = LeadTrade("ada", "spot", "BTCUSDT", "71")
SIGNAL = SignalRow("t_zero", 5, "north", frozenset({1, 2}))
BEN = OrderRow("t_zero", 5, 1, "a" * 32, "FILLED")
CLEO = DenialRow("t_zero", 5, 2)


def run(**changed: object) -> Run:
    """Ada buys; Ben's copy is filled, Cleo's is denied."""
    record: dict[str, object] = {
        "signals": [SIGNAL],
        "orders": [BEN],
        "denials": [CLEO],
        "executions": {BEN.client_id: Execution(BEN.client_id, 1, (1000,))},
        "venue_trades": {BUY},
        "lead_fills": [BUY],
    }
    return Run(**{**record, **changed})  # type: ignore[arg-type]


def counts(**changed: object) -> tuple[int, int, int, int]:
    verdict = check(run(**changed))
    return verdict.lost, verdict.duplicates, verdict.unexplained, verdict.unfinished


def test_a_clean_run_keeps_every_law() -> None:
    verdict = check(run())
    assert verdict.kept and verdict.broken == ()


def test_an_empty_run_keeps_every_law() -> None:
    assert check(Run()).kept


def test_a_lead_trade_that_was_not_recorded_is_lost() -> None:
    assert counts(lead_fills=[]) == (1, 0, 0, 0)


def test_a_lead_fill_that_became_no_signal_is_lost() -> None:
    assert counts(unused_fills=2) == (2, 0, 0, 0)


def test_a_lead_trade_recorded_twice_is_a_duplicate() -> None:
    assert counts(lead_fills=[BUY, BUY]) == (0, 1, 0, 0)


def test_a_follower_without_an_outcome_is_lost() -> None:
    verdict = check(run(denials=[]))
    assert (verdict.lost, verdict.broken) == (
        1,
        ("lost: no outcome for signal 5, subscription 2 of t_zero",),
    )


def test_an_order_and_a_denial_for_one_follower_are_a_duplicate() -> None:
    assert counts(denials=[CLEO, DenialRow("t_zero", 5, 1)]) == (0, 1, 0, 0)


def test_the_same_numbers_at_another_tenant_are_another_follower() -> None:
    elsewhere = SignalRow("t_aurora", 5, "north", frozenset({1}))
    assert counts(signals=[SIGNAL, elsewhere]) == (1, 0, 0, 0)


def test_an_accepted_order_unknown_to_the_venue_is_lost() -> None:
    assert counts(executions={}) == (1, 0, 0, 0)


def test_an_order_executed_three_times_is_two_duplicates() -> None:
    assert counts(executions={BEN.client_id: Execution(BEN.client_id, 3, (1, 2, 3))}) == (0, 2, 0, 0)


def test_an_execution_without_a_row_is_unexplained() -> None:
    ours = Execution(BEN.client_id, 1, (1000,))
    stray = Execution("b" * 32, 1, (1000,))
    assert counts(executions={BEN.client_id: ours, stray.client_id: stray}) == (0, 0, 1, 0)


def test_an_executed_order_that_we_call_missed_is_unexplained() -> None:
    assert counts(orders=[BEN._replace(status="MISSED", accepted=False)]) == (0, 0, 1, 0)


def test_a_rejected_order_needs_no_execution() -> None:
    assert counts(orders=[BEN._replace(status="REJECTED", accepted=False)], executions={}) == (0, 0, 0, 0)


def test_an_order_left_unsure_is_unfinished_and_not_lost() -> None:
    assert counts(orders=[BEN._replace(status="UNSURE", accepted=False)], executions={}) == (0, 0, 0, 1)


def test_a_signal_that_is_not_done_is_unfinished() -> None:
    assert counts(signals=[SIGNAL._replace(done=False)]) == (0, 0, 0, 1)


def test_of_many_cases_the_first_five_are_told() -> None:
    many = SIGNAL._replace(followers=frozenset(range(1, 40)))
    verdict = check(run(signals=[many]))
    assert (verdict.lost, len(verdict.broken)) == (37, 5)
