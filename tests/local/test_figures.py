"""Figures of a run, the log's lines, and the venue's record, each on a few numbers done by hand."""

from __future__ import annotations

import io
from pathlib import Path

from obscura.local.figures import Copies, latencies, per_copy, quantile
from obscura.local.laws import Execution
from obscura.local.lines import Log, Splitter, shown
from obscura.local.venue import executions


def test_latencies_are_medians_over_the_lead_trades() -> None:
    runs = [
        Copies(1_000_000, [1_010_000, 1_020_000, 1_030_000]),
        Copies(2_000_000, [2_020_000, 2_060_000, 2_040_000]),
        Copies(3_000_000, [3_030_000]),
        Copies(4_000_000, []),
    ]
    assert latencies(runs) == {"first_order_ms": 20.0, "median_order_ms": 30.0, "last_order_ms": 30.0}


def test_nothing_copied_has_no_latency() -> None:
    assert latencies([])["first_order_ms"] == 0.0


def test_a_quantile_between_two_values_is_in_proportion() -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert quantile([1.0, 2.0], 0.99) == 1.99


def test_cpu_a_copy_adds_the_named_processes() -> None:
    assert per_copy({"orders": 40_000_000, "signer": 10_000_000, "paper": 99}, ["orders", "signer"], 1000) == 50.0
    assert per_copy({}, ["orders"], 0) == 0.0


def test_lines_are_cut_at_their_ends_wherever_the_bytes_are_cut() -> None:
    lines = Splitter()
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o\n\n  \nthree") == ["two"]
    assert lines.end() == ["three"]
    assert lines.end() == []


def test_a_line_without_an_end_is_cut_where_it_grows_too_long() -> None:
    lines = Splitter()
    assert [len(line) for line in lines.feed(b"x" * 20_000)] == [20_000]
    assert lines.feed(b"y\n") == ["y"]


def test_each_line_begins_with_its_process() -> None:
    assert shown("web", "GET /", width=8, colour=None) == "web      | GET /"
    assert shown("web", "GET /", width=8, colour=36) == "\x1b[36mweb      |\x1b[0m GET /"


def test_the_log_goes_to_the_terminal_and_to_files_without_colours(tmp_path: Path) -> None:
    out = io.StringIO()
    log = Log(folder=tmp_path, out=out, names=["web", "orders"], quiet=frozenset({"orders"}))
    log.line("web", "\x1b[31mred\x1b[0m")
    log.line("orders", "claimed 50")
    log.close()
    assert out.getvalue() == "web    | \x1b[31mred\x1b[0m\n"
    assert (tmp_path / "web.log").read_text() == "red\n"
    assert (tmp_path / "orders.log").read_text() == "claimed 50\n"


def test_the_record_counts_an_id_once_for_each_execution_of_this_run() -> None:
    rows = {
        "aa": {"count": 2, "times": [50, 120]},
        "bb": {"count": 1, "times": [130]},
        "bb@other-key": {"count": 1, "times": [140]},
    }
    assert executions(rows, since_us=100) == {
        "aa": Execution("aa", 1, (120,)),
        "bb": Execution("bb", 2, (130, 140)),
    }
