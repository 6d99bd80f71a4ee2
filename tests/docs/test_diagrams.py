"""The diagrams in the pages are the tables in the code."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from trading.domain.order_state import TRANSITIONS, Status

BASE = Path(__file__).resolve().parents[2]
SCRIPT = BASE / "docs" / "state_diagrams.py"


@pytest.fixture(scope="module")
def diagrams():
    spec = importlib.util.spec_from_file_location("state_diagrams", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_committed_diagram_is_the_one_that_the_code_gives(diagrams):
    for path, make in diagrams.PAGES.items():
        page = (BASE / path).read_text()
        for name, text in make().items():
            assert diagrams.written(page, name, text) == page, f"run docs/state_diagrams.py: {name} in {path} is old"


def test_a_page_without_its_diagram_is_noticed(diagrams):
    with pytest.raises(KeyError):
        diagrams.written("# A page\n", "order states", "stateDiagram-v2")


def test_the_diagram_has_every_arrow_of_the_table_once(diagrams):
    lines = diagrams.diagram(born=diagrams.BORN, transitions=TRANSITIONS, settled=()).splitlines()

    arrows = [line.strip() for line in lines if "-->" in line and "[*]" not in line]

    wanted = {f"{state.name} --> {to.name}" for state in Status for to in TRANSITIONS[state]}
    assert set(arrows) == wanted
    assert len(arrows) == len(wanted)
