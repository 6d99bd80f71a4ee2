"""Write the state diagrams in these pages from the tables they show: `.venv/bin/python docs/state_diagrams.py`."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

BASE = Path(__file__).resolve().parents[1]
if str(BASE) not in sys.path:
    sys.path.insert(0, str(BASE))

from trading.domain import stops  # noqa: E402
from trading.domain.order_state import TERMINAL, TRANSITIONS, Status  # noqa: E402

State = TypeVar("State", bound=IntEnum)
BORN = (Status.PLANNED, Status.SENDING)
"""The states in which the planner inserts an order; the first of a signal are born claimed."""


def diagram(
    *, born: Collection[State], transitions: Mapping[State, Collection[State]], settled: Collection[State]
) -> str:
    """A table of transitions as Mermaid text. A settled state is drawn with a double weight of line."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state.name}" for state in born]
    for state, targets in transitions.items():
        # In the order of the table, not of the set, so that the same table is always the same text.
        lines += [f"    {state.name} --> {to.name}" for to in transitions if to in targets and to is not state]
    lines.append("    classDef settled stroke-width:3px")
    lines.append(f"    class {','.join(state.name for state in transitions if state in settled)} settled")
    return "\n".join(lines)


PAGES = {
    "docs/flows/copy_trade.md": lambda: {
        "order states": diagram(born=BORN, transitions=TRANSITIONS, settled=TERMINAL),
    },
    "docs/flows/protection.md": lambda: {
        "states of a resting stop": diagram(
            born=[stops.State.SENDING], transitions=stops.TRANSITIONS, settled=stops.OVER
        ),
    },
}


def written(page: str, name: str, text: str) -> str:
    """The page with the diagram of this name replaced by `text`.

    :raises KeyError: the page has no such diagram
    """
    block = re.compile(rf"(<!-- diagram: {re.escape(name)} -->\n```mermaid\n).*?(\n```)", re.DOTALL)
    if not block.search(page):
        raise KeyError(name)
    return block.sub(lambda found: found[1] + text + found[2], page)


def main() -> None:
    for path, make in PAGES.items():
        page = (BASE / path).read_text()
        for name, text in make().items():
            page = written(page, name, text)
        (BASE / path).write_text(page)


if __name__ == "__main__":
    main()
