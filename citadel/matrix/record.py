"""The committed record of the last full run, and what a new run is held against."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from citadel.matrix.compare import Row

PATH = Path(str(resources.files("citadel"))) / "matrix.json"


def recorded() -> dict[str, Any]:
    """The record: ccxt's version, and a row for each exchange. Without exchanges where there is none yet."""
    if not PATH.exists():
        return {"ccxt": "", "exchanges": {}}
    found: dict[str, Any] = json.loads(PATH.read_text())
    return found


def write(rows: Iterable[Row], *, version: str) -> None:
    """Replace the record."""
    lines = [f"    {json.dumps(row.exchange)}: {json.dumps(as_json(row), ensure_ascii=False)}" for row in rows]
    PATH.write_text(
        f'{{\n  "ccxt": {json.dumps(version)},\n  "exchanges": {{\n' + ",\n".join(lines) + "\n  }\n}\n"
    )  # fmt: skip


def as_json(row: Row) -> dict[str, Any]:
    """A row as it stands in the record and in the output for machines."""
    return {name: value for name, value in row._asdict().items() if name != "exchange"}


def complaints(rows: Iterable[Row], *, against: dict[str, Any]) -> list[str]:
    """What a run has to fail for: an exchange that was equal and is not, or that nobody has looked at."""
    found = []
    for row in rows:
        before = against["exchanges"].get(row.exchange)
        if before is None:
            found.append(f"{row.exchange} is new: run make matrix ARGS=--record and look at its row.")
        elif before["equal"] and not row.equal:
            found.append(f"{row.exchange} was equal with ccxt {against['ccxt']} and is not: {row.note}")
    return found


def summary(rows: Iterable[Row]) -> str:
    """The run in one line."""
    every = list(rows)
    signing = [row for row in every if not row.header]
    header = [row for row in every if row.header]
    return (
        f"equal {sum(row.equal for row in signing)} of {len(every)} by signatures, "
        f"{sum(row.equal for row in header)} of {len(header)} with the secret in a header; "
        f"{sum(row.compared for row in every)} requests compared, {sum(row.signed for row in every)} of them signed"
    )
