"""The templates: every one compiles, none needs what the content policy forbids, and outcomes are said in words."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.template import Context, engines

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
ENGINE = engines["django"].engine
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.*") if "admin" not in path.parts)


def row(**changes):
    copy = {
        "id": "018f-1",
        "cursor": 481200,
        "at": datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
        "pool_name": "Slow Carry",
        "symbol": "BTC/USDT",
        "side": "buy",
        "closes": False,
        "size": Decimal("40"),
        "lead_price": Decimal("67210.4"),
        "price": None,
        "lag_ms": None,
        "outcome": "waiting",
        "reason": "",
    }
    return ENGINE.get_template("copies/_row.html").render(Context({"copy": copy | changes}))


@pytest.mark.parametrize("name", NAMES)
def test_every_template_compiles(name):
    ENGINE.get_template(name)


@pytest.mark.skipif(NODE is None, reason="node comes with requirements/dev.txt")
def test_no_template_needs_what_the_content_policy_forbids():
    done = subprocess.run([NODE, "obscura/assets/lint.mjs"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("copied", "Copied"),
        ("partial", "Copied in part"),
        ("denied", "Not copied"),
        ("missed", "Not copied"),
        ("rejected", "Rejected"),
        ("waiting", "Waiting"),
        ("working", "At the exchange"),
        ("checking", "Checking with the venue"),
    ],
)
def test_an_outcome_is_said_in_words(outcome, words):
    assert f">{words}</span>" in row(outcome=outcome)


def test_what_was_not_copied_says_why():
    drawn = row(outcome="denied", reason="Daily loss limit reached ($120)")

    assert ">Not copied</span>" in drawn
    assert "Daily loss limit reached ($120)" in drawn


def test_a_copy_shows_both_prices_and_what_lies_between():
    drawn = row(outcome="copied", price=Decimal("67223.85"), lag_ms=44)

    assert "67,210.40" in drawn
    assert "67,223.85" in drawn
    assert "+0.02%" in drawn
    assert "44 ms" in drawn


def test_a_row_is_known_by_its_id_and_its_place_in_the_feed():
    assert '<tr data-id="018f-1" data-cursor="481200" data-at="1795176000.000000">' in row()
    assert 'class="row-new"' not in row()


def test_what_is_unknown_is_a_dash_with_a_reason_and_never_zero():
    drawn = row()

    assert drawn.count('title="Not filled"') == 2
    assert 'title="Nothing was sent"' in drawn
    assert "$0" not in drawn


def test_a_reason_cannot_bring_markup():
    assert "<img" not in row(outcome="rejected", reason="<img src=x>")
