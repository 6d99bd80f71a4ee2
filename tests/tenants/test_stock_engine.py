"""The isolation tests mean something: with the engine that keeps the tenant on the connection, they fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What leaks there, and must: one thread serves many sockets, and cache keys are made on whichever thread asks.
LEAKS = {
    "test_sockets_that_take_turns_on_one_thread_read_their_own_rows",
    "test_tasks_of_one_loop_read_their_own_rows",
    "test_the_cache_keeps_tenants_apart_in_coroutines",
    "test_async_views_that_read_in_threads_answer_in_their_own_tenant",
    "test_admin_pages_made_in_a_pool_of_threads_show_their_own_people",
    "test_tasks_that_run_a_loop_and_threads_read_their_own_rows",
}


def test_the_stock_engine_leaks():
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.tenants.stock_engine", "COLUMNS": "250"}
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST", "OBSCURA_TEST_REDIS", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", "--tb=line", "-rf"]
    command += ["--ds=tests.tenants.stock_engine"]
    command += [f"tests/tenants/test_isolation.py::{name}" for name in sorted(LEAKS)]

    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )

    failed = set(re.findall(r"FAILED \S+::(\w+) - AssertionError", done.stdout))
    assert failed == LEAKS, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
