"""Three nodes until standard input ends: `python -m tests.support.nildb`. ``stop N`` takes node N off for good."""

from __future__ import annotations

import json
import sys

from tests.support.nildb.serve import Cluster


def main() -> None:
    cluster = Cluster()
    print(json.dumps([f"{node.url}#{node.public_key.hex()}" for node in cluster.nodes]), flush=True)
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        if word == "stop":
            cluster[int(number)].stop()
            print("stopped", flush=True)
    cluster.stop()


if __name__ == "__main__":
    main()
