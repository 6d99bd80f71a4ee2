"""What the processes of one machine are told."""

from __future__ import annotations

from obscura.local.parts import Plan


def test_where_the_paper_venue_limits_nothing_the_engine_is_told_not_to_either():
    assert Plan(rate_limits="off").environment() == {"OBSCURA_PAPER_LIMITS": "off"}
    assert Plan().environment() == {"OBSCURA_PAPER_LIMITS": "on"}
