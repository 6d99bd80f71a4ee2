"""Keys are rotated while copies go on and who wraps them anew is killed: everything opens, nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace

from obscura.local.chaos.rotation import Rotation, _latency
from obscura.local.figures import Copies
from tests.support.processes import ROOT


def test_a_rotation_whose_worker_dies_twice_and_whose_signer_dies_leaves_nothing_behind() -> None:
    named = ("OBSCURA_VAR", "OBSCURA_RUN", "OBSCURA_MANDATE_KEY", "DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in named}
    command = [sys.executable, "-m", "obscura.local.chaos", "rotation", "--credentials", "2000", "--followers", "6"]
    command += ["--calm", "2", "--kills", "2", "--json"]

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=115, check=False)

    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, result
    assert result["credentials"] == result["rewrapped"] == result["opened"] == 2000 + 1 + 2  # a lead and two followers
    assert (result["unreadable"], result["under_old_versions"], result["old_envelopes_opened"]) == (0, 0, 0)
    assert result["sample_signs_alike"] == result["sample"] == 1000
    assert (result["kills"], result["signer_kills"]) == (2, 1)
    assert result["versions_before_destroyed"] is True
    assert (result["lost"], result["duplicates"], result["unexplained"], result["unfinished"]) == (0, 0, 0, 0)
    assert result["orders"] == result["venue_orders"] > 0
    assert result["during"]["trades"] > 0


def test_the_signer_dies_once_between_the_workers_deaths() -> None:
    def victims(kills: int) -> list[str]:
        return Rotation(None, Namespace(kills=kills, seed=1))._victims()

    assert victims(0) == []
    assert victims(1) == ["jobs", "signer"]
    assert victims(2) == ["jobs", "signer", "jobs"]
    assert victims(5) == ["jobs", "jobs", "jobs", "signer", "jobs", "jobs"]


def test_latencies_are_of_the_last_copy_and_of_the_time_asked_for() -> None:
    copies = [Copies(1_000, [5_000, 11_000]), Copies(2_000, [4_000]), Copies(3_000, []), Copies(9_000, [10_000])]

    assert _latency(copies, 0, 5_000) == {"trades": 2, "p50_ms": 6.0, "p95_ms": 9.6, "p100_ms": 10.0}
    assert _latency(copies, 100_000, 200_000) == {"trades": 0, "p50_ms": 0.0, "p95_ms": 0.0, "p100_ms": 0.0}
