"""One command that runs every process on one machine: `python -m obscura.local.stack`, until Ctrl-C.

The parent imports Django and ccxt once and forks everything that needs them; signer, egress and venue start beside it
at once. What dies is started again; what a killed supervisor left behind is stopped before anything starts.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from obscura.local import boot, embedded, leftovers, parts, places
from obscura.local.lines import Log
from obscura.local.parts import Plan
from obscura.local.places import Places
from obscura.local.supervisor import STOPPED, Spec, Supervisor

PREPARE_LIMIT_S = 180.0

__all__ = ["STOPPED", "AlreadyRunning", "Plan", "data_folder", "leave_result", "run"]

Driver = Callable[[Plan, Places], int]


class AlreadyRunning(Exception):
    """A stack runs in this folder. Stop it with Ctrl-C in its terminal, or with `make stop`."""


def run(
    *,
    plan: Plan,
    driver: Driver | None = None,
    name: str = "demo",
    quiet: bool = False,
    only_driver: bool = False,
    env: Mapping[str, str] | None = None,
    stop_servers: bool = False,
) -> int:
    """Run the stack until Ctrl-C or, with a driver, until it returns; then stop all. Returns the exit code.

    The driver runs in a fork of its own, beside the processes. What it leaves in `result_path()` is printed when
    everything has stopped, so that it is the last line there is.

    :param quiet: the log goes to its files alone
    :param only_driver: of the log, show the driver's lines alone
    :param env: added to the environment of every process
    :param stop_servers: stop the embedded servers too when all is done
    """
    var = Path(os.environ["OBSCURA_VAR"])
    lock = hold(var)
    try:
        found = leftovers.stop(var / "run" / "stack.json")
        where = places.find(var)
        os.environ.update({**where.environment(), **plan.environment(), **(env or {})})
        result_path(var).unlink(missing_ok=True)
        code = _run(plan, where, found, driver, name, quiet=quiet, only_driver=only_driver)
    finally:
        if stop_servers:
            embedded.stop(var)
        lock.close()
    if result_path(var).exists():
        print(result_path(var).read_text().strip(), flush=True)
    return code


def _run(
    plan: Plan, where: Places, found: list[str], driver: Driver | None, name: str, *, quiet: bool, only_driver: bool
) -> int:
    names = ["stack", name, *(spec.name for spec in (*parts.early(plan, where), *parts.heavy(plan, where))), "prepare"]
    hidden = frozenset(names) - ({name} if only_driver else set()) if quiet or only_driver else frozenset()
    log = Log(folder=where.log, out=sys.stdout, names=names, quiet=hidden)
    boss = Supervisor(log=log, state=where.state)
    boss.signals()
    try:
        if found:
            log.line("stack", f"stopped what a killed run had left: {', '.join(found)}")
        for spec in parts.early(plan, where):
            boss.start(spec)
        began = time.monotonic()
        servers = embedded.urls(where.var)
        # Named to the children, so that none of them looks after the servers by itself.
        os.environ.update({"DATABASE_URL": servers.database, "REDIS_URL": servers.redis})
        _collect_static(where)
        parts.load(plan)
        log.line("stack", f"imported in {time.monotonic() - began:.2f} s")
        gc.collect()
        gc.freeze()  # shared with every fork: the collector must not touch, and so copy, what stands now
        _prepare(boss, where)
        for spec in parts.heavy(plan, where) if not boss.stopping else ():
            boss.start(spec)
        if driver is not None and not boss.stopping:
            boss.start(Spec(name, run=lambda: driver(plan, where), wave=0, once=True, env=parts.agrees_terms(where)))
        return boss.serve(until=name if driver is not None and name in boss.children else None)
    except NotPrepared as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    finally:
        boss.stop()
        log.close()


def _collect_static(where: Places) -> None:
    """Collect the static files of this state folder where they are missing or older than what was built.

    In a process of its own and before the application is imported: it looks at the folder once, when it is made.
    """
    manifest = where.var / "static" / "staticfiles.json"
    built = max((path.stat().st_mtime for path in (boot.BASE / "obscura/assets/dist").rglob("*")), default=0.0)
    if manifest.exists() and manifest.stat().st_mtime >= built:
        return
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0", "--skip-checks"]
    environment = {**os.environ, "OBSCURA_NO_SERVERS": "1"}
    subprocess.run(command, cwd=boot.BASE, env=environment, check=True, stdin=subprocess.DEVNULL)


class NotPrepared(Exception):
    """The database could not be brought up to date; the log says why."""


def _prepare(boss: Supervisor, where: Places) -> None:
    """Bring the database up to date, in a fork: no connection may be open here when others are made."""
    boss.start(Spec("prepare", run=prepare, once=True, env=parts.agrees_terms(where)))
    code = boss.wait_for("prepare", limit=PREPARE_LIMIT_S)
    if code and not boss.stopping:
        raise NotPrepared(f"the set-up ended with {code}; see var/log/prepare.log")


def prepare() -> int:
    """What has to be true before any process starts: schemas, sealed terms, and a clean list of who is alive."""
    from obscura.core import alive, log, redis_clients
    from pools import services as pools
    from tenants import onboarding, scope

    log.configure("prepare")
    redis_clients.sync().delete(alive.KEY)
    onboarding.setup_platform()
    for _ in scope.each(reason="terms without a mandate"):
        pools.seal_missing()
    return 0


def hold(var: Path) -> object:
    """The right to run the stack of this folder, given back by the kernel when this process ends.

    :raises AlreadyRunning: somebody else has it
    """
    (var / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (var / "run" / "stack.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise AlreadyRunning from None
    return lock


def result_path(var: Path) -> Path:
    """Where a driver leaves its figures."""
    return var / "run" / "result.json"


def leave_result(where: Places, figures: Mapping[str, object]) -> None:
    """Leave the figures as one JSON object, to be printed as the very last line."""
    path = result_path(where.var)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(figures))
    draft.rename(path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m obscura.local.stack", description=__doc__)
    parser.add_argument("--market", choices=("capture", "synthetic", "live"), default="")
    asked = parser.parse_args()
    boot.prepare()
    plan = Plan(market=asked.market, data=data_folder())
    try:
        return run(plan=plan, driver=None)
    except AlreadyRunning as error:
        print(f"stack: {error.__doc__}", file=sys.stderr)
        return 1


def data_folder() -> str:
    """The folder of recorded data: OBSCURA_DATA, else beside the checkout, else none."""
    named = os.environ.get("OBSCURA_DATA", "")
    beside = boot.BASE.parent / "shared" / "data"
    return named or (str(beside) if beside.is_dir() else "")


if __name__ == "__main__":
    sys.exit(main())
