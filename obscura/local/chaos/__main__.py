"""`python -m obscura.local.chaos copies`, or another scenario: the last line is one JSON object; 0 where all held."""

from __future__ import annotations

import argparse
import sys

from obscura.local import stack
from obscura.local.chaos import copies, rotation, secrets

SCENARIOS = {"copies": copies, "rotation": rotation, "secrets": secrets}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m obscura.local.chaos", description=__doc__)
    add = parser.add_subparsers(dest="what", required=True)
    for scenario in SCENARIOS.values():
        scenario.parser(add)
    asked = parser.parse_args()
    try:
        return SCENARIOS[asked.what].run(asked)
    except stack.AlreadyRunning as error:
        print(f"chaos: {error.__doc__}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
