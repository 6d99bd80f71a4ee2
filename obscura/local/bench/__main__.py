"""`python -m obscura.local.bench copies|plan|priority|signer|start`: figures of one run, at last as JSON."""

from __future__ import annotations

import argparse
import sys

from obscura.local import stack
from obscura.local.bench import copies, plan, priority, signer, start


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m obscura.local.bench", description=__doc__)
    add = parser.add_subparsers(dest="what", required=True)
    doors = {"copies": copies, "plan": plan, "priority": priority, "signer": signer, "start": start}
    for door in doors.values():
        door.parser(add)
    asked = parser.parse_args()
    try:
        return doors[asked.what].run(asked)
    except stack.AlreadyRunning as error:
        print(f"bench: {error.__doc__}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
