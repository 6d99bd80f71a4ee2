"""Every block of code that CONTRIBUTING.md quotes stands in the file it names."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

BASE = Path(__file__).resolve().parents[2]
PAGE = (BASE / "CONTRIBUTING.md").read_text()
QUOTED = re.compile(r"`([\w./]+\.py)`[^`]*?\n\n```python\n(.*?)\n```", re.DOTALL)
QUOTES = QUOTED.findall(PAGE)


def stands_in(piece: list[str], lines: list[str], start: int) -> int | None:
    """The line behind `piece` where it first stands in `lines` from `start` on, at any depth of indentation."""
    wanted = textwrap.dedent("\n".join(piece)).strip("\n")
    size = len(wanted.splitlines())
    for at in range(start, len(lines) - size + 1):
        if textwrap.dedent("\n".join(lines[at : at + size])) == wanted:
            return at + size
    return None


def pieces(block: str) -> list[list[str]]:
    """The block, cut where a line of dots leaves something out."""
    found: list[list[str]] = [[]]
    for line in block.splitlines():
        if line.strip() == "...":
            found.append([])
        else:
            found[-1].append(line)
    return [piece for piece in found if any(line.strip() for line in piece)]


def test_every_block_of_python_names_its_file():
    assert len(QUOTES) == PAGE.count("```python") >= 12


@pytest.mark.parametrize(("path", "block"), QUOTES, ids=[f"{n}-{path}" for n, (path, _) in enumerate(QUOTES, 1)])
def test_a_quoted_block_stands_in_its_file(path, block):
    lines, at = (BASE / path).read_text().splitlines(), 0

    for piece in pieces(block):
        found = stands_in(piece, lines, at)
        assert found is not None, "not in {}:\n{}".format(path, "\n".join(piece))
        at = found


def test_a_block_that_was_changed_is_noticed():
    lines = ["def one():", "    return 1", ""]

    assert stands_in(["return 1"], lines, 0) == 2
    assert stands_in(["return 2"], lines, 0) is None
