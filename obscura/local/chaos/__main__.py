"""`python -m obscura.local.chaos copies`: the last line is one JSON object; 0 where no law was broken."""

from __future__ import annotations

import argparse
import sys

from obscura.local import stack
from obscura.local.chaos import copies


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m obscura.local.chaos", description=__doc__)
    copies.parser(parser.add_subparsers(dest="what", required=True))
    try:
        return copies.run(parser.parse_args())
    except stack.AlreadyRunning as error:
        print(f"chaos: {error.__doc__}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
