"""`make matrix`: compare every exchange, print the table, and fail where one is worse than the record says."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable

from citadel.domain.calls import recorded
from citadel.matrix import calls, record
from citadel.matrix.compare import Row, row


def main() -> int:
    options = _options()
    import ccxt

    if options.only and (unknown := set(options.only.split(",")) - set(ccxt.exchanges)):
        print(f"ccxt {ccxt.__version__} has no {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    names = options.only.split(",") if options.only else ccxt.exchanges
    rows = [row(name, every=options.every) for name in names]
    if options.record:
        record.write(rows, version=ccxt.__version__)
        calls.write(calls.every(names))
        recorded.cache_clear()
    complaints = [*record.complaints(rows, against=record.recorded()), *calls.complaints(names)]
    if options.json:
        found = {one.exchange: record.as_json(one) for one in rows}
        print(json.dumps({"ccxt": ccxt.__version__, "exchanges": found, "complaints": complaints}, ensure_ascii=False))
    else:
        print("\n".join(_table(rows)))
        print(record.summary(rows))
    for line in complaints:
        print(line, file=sys.stderr)
    return 1 if complaints else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="citadel.matrix", description=__doc__)
    parser.add_argument("--only", default="", help="exchanges, separated by commas")
    parser.add_argument("--every", type=int, default=1, help="compare every n-th endpoint")
    parser.add_argument("--json", action="store_true", help="print the rows for machines")
    parser.add_argument("--record", action="store_true", help="write citadel/matrix.json and citadel/calls.json")
    options = parser.parse_args()
    if options.every < 1:
        parser.error("--every counts from 1")
    if options.record and (options.only or options.every != 1):
        parser.error("a record is made of all exchanges and all endpoints")
    return options


def _table(rows: Iterable[Row]) -> list[str]:
    lines = [("exchange", "primitives used", "compared", "signed", "equal", "note")]
    for one in rows:
        used = ", ".join(one.uses) or ("secret in a header" if one.header else "-")
        lines.append(
            (one.exchange, used, str(one.compared), str(one.signed), "yes" if one.equal else "NO", one.note)
        )  # fmt: skip
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[5]]).rstrip()
        for line in lines
    ]


if __name__ == "__main__":
    sys.exit(main())
