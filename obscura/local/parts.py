"""The processes of an installation on one machine: what each runs, and in which order they stop."""

from __future__ import annotations

import os
import runpy
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from obscura.local.places import Places
from obscura.local.supervisor import Spec

WORK, VAULT, VENUE = 1, 2, 3
A_STEP, BEHIND = 3, 10
"""How far processes stand back on a crowded machine: plans of thousands a step behind what hears leads, ends copies and
sends; sweeps and looks, for which nobody waits, behind all."""
_WEB = {"OBSCURA_ROLE": "web"}  # a process of this role makes no connection to the vault
ORDER_QUEUES = "critical,high,normal,low"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run the stack.

    :param market: capture, synthetic or live; by default capture where recorded data is at hand
    :param without: processes to leave out
    :param rate_limits: of the paper venue: binance or off
    """

    market: str = ""
    data: str = ""
    without: frozenset[str] = frozenset()
    rate_limits: str = "binance"
    order_workers: int = 2

    def environment(self) -> dict[str, str]:
        """What the processes must know of it: a venue that limits nothing needs no buckets before it either."""
        return {"OBSCURA_PAPER_LIMITS": "off" if self.rate_limits == "off" else "on"}

    def source(self) -> str:
        """The market that is played."""
        if self.market:
            return self.market
        return "capture" if self.data and any((Path(self.data) / "market").glob("*_*usdt_*.gz")) else "synthetic"


def early(plan: Plan, places: Places) -> list[Spec]:
    """Processes that need nothing of Django: they start while this one still imports."""
    python = sys.executable
    paper = [python, "-m", "trading.venues.paper", "--dir", str(places.paper), "--market", plan.source()]
    for name in ("http", "tls", "control"):
        paper += [f"--{name}", f"127.0.0.1:{places.ports[f'paper_{name}']}"]
    paper += ["--rate-limits", plan.rate_limits]
    if plan.data:
        paper += ["--data", plan.data]
    specs = [
        Spec("egress", command=[python, "-m", "citadel.egress"], wave=VAULT),
        # The root key is named to the signer and to nobody else; the mandates' key to those that agree terms as well.
        Spec(
            "signer",
            command=[python, "-m", "citadel.signer"],
            env={
                "OBSCURA_ROOT_KEY_FILE": str(places.root_key),
                "OBSCURA_SIGNER_STATE": str(places.vault),
                **agrees_terms(places),
            },
            wave=VAULT,
        ),
        Spec("paper", command=paper, wave=VENUE),
    ]
    return [spec for spec in specs if spec.name not in plan.without]


def agrees_terms(places: Places) -> dict[str, str]:
    """What a process needs that takes terms from their owners: the key that mandates are sealed with."""
    return {"OBSCURA_MANDATE_KEY_FILE": str(places.mandate_key)}


def heavy(plan: Plan, places: Places) -> list[Spec]:
    """Processes made by fork, once everything they need is imported."""
    specs = [
        Spec("orders", run=lambda: worker("orders", ORDER_QUEUES, plan.order_workers), wave=WORK, nice=A_STEP),
        Spec("urgent", run=lambda: worker("urgent", "critical", 1), wave=WORK),
        Spec("jobs", run=lambda: worker("jobs", "default,billing", 1), wave=WORK, nice=BEHIND),
        Spec("sentinel", run=lambda: module("trading.sentinel"), wave=WORK),
        Spec("guard", run=lambda: module("trading.guard"), wave=WORK),
        Spec("market", run=lambda: module("trading.market"), wave=WORK, nice=BEHIND),
        Spec("web", run=lambda: web(places.ports["web"]), wave=WORK, env=agrees_terms(places) | _WEB),
        Spec("beat", run=beat, wave=WORK, nice=BEHIND),
        Spec("watch", run=watch, wave=WORK, nice=BEHIND),
    ]
    return [spec for spec in specs if spec.name not in plan.without]


def reporting(plan: Plan) -> frozenset[str]:
    """The names that must have reported before the stack is ready."""
    return frozenset(
        {"orders", "urgent", "jobs", "sentinel", "guard", "market", "web", "beat", "signer", "egress", "paper"}
        - plan.without
    )


def load(plan: Plan) -> None:
    """Import what the heavy processes need, once, before any of them is forked."""
    import django

    os.environ["CELERY_SKIP_CHECKS"] = "1"  # they run in CI; here they would cost every worker half a second
    django.setup()
    import ccxt.pro
    import celery.apps.beat
    import celery.apps.worker
    import celery.concurrency.prefork
    import granian.server
    import kombu.transport.redis
    from django.urls import get_resolver

    import obscura.celery

    for known in (ccxt.pro, celery.apps, celery.concurrency, granian.server, kombu.transport):
        assert known
    obscura.celery.app.finalize()
    if "web" not in plan.without:
        import obscura.asgi

        assert obscura.asgi.application
        for urls in ("obscura.urls", "obscura.urls_office"):
            assert get_resolver(urls).url_patterns


# -- what each runs ------------------------------------------------------------------------------------------------


def module(name: str) -> int:
    """As `python -m name`, in this process."""
    sys.argv = [name]
    runpy.run_module(name, run_name="__main__", alter_sys=True)
    return 0


def worker(name: str, queues: str, processes: int) -> int:
    """A Celery worker: prefork, one task at a time for each child, silent between workers."""
    from obscura.celery import app
    from obscura.core import log

    log.configure(name)
    # Root is tolerated here, and nothing is ever pickled.
    warnings.filterwarnings("ignore", message=".*superuser privileges.*")
    made = app.Worker(
        hostname=f"{name}@local",
        pool_cls="prefork",
        concurrency=processes,
        queues=queues,
        optimization="fair",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
        quiet=True,
    )
    made.start()
    return int(made.exitcode or 0)


def beat() -> int:
    """The clock of the sweeps. It keeps nothing: what is due is in the database."""
    from obscura.celery import app
    from obscura.core import alive, log

    log.configure("beat")
    alive.in_thread("beat")
    app.Beat(scheduler_cls="celery.beat:Scheduler", loglevel="WARNING", quiet=True).run()
    return 0


def web(port: int) -> int:
    """HTTP and WebSocket on one port."""
    from granian import Granian
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels

    server = Granian(
        "obscura.asgi:application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        websockets=True,
        log_level=LogLevels.warning,
        workers_kill_timeout=5,
        respawn_failed_workers=True,
    )
    server.serve(target_loader=_application, wrap_loader=False)
    return 0


def _application(*_: object) -> object:
    """In granian's worker, the process that answers: it reports itself, then serves."""
    from obscura.asgi import application
    from obscura.core import alive, log

    log.configure("web")
    alive.in_thread("web")
    return application


def watch() -> int:
    """Report for those that cannot: signer, egress and the venue know nothing of Redis."""
    from obscura.local import watch as watching

    return watching.main()
