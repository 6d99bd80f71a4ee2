"""A tenant's keys are rotated while its leads are copied, and whoever wraps its credentials anew is killed meanwhile.

Then every credential opens under the new version, none under those before, and no copy was lost or made twice. Victims
die in the middle: a row is held until somebody waits for it; what a dead worker asked for happens when it is let go.
"""

from __future__ import annotations

import argparse
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from obscura.local import boot, leftovers, nodes, stack
from obscura.local.parts import Plan
from obscura.local.places import Places

if TYPE_CHECKING:
    from obscura.local.figures import Copies
    from obscura.local.play import Diary
    from obscura.local.record import Lead

CREDENTIALS, FOLLOWERS, KILLS, SAMPLE = 100_000, 30, 2, 1_000
CALM_S = 8.0
PAUSE_S = (0.2, 0.4)
REWRAP_LIMIT_S = 60.0
EACH_LIMIT_S = 0.005
SETTLE_LIMIT_S = 120.0
LOOK_S = 0.02

_HOLD = 'select 1 from "{schema}".citadel_credential where id = %s for update'
_WAITS = """select count(*) from pg_stat_activity
 where wait_event_type = 'Lock' and query like 'update "{schema}".citadel_credential%%'"""


class Held(NamedTuple):
    """Who dies when this row is waited for, and how the row is let go."""

    victim: str
    place: int
    let_go: Callable[[], None]


def parser(add: Any) -> None:
    """The options of `chaos rotation`."""
    one: argparse.ArgumentParser = add.add_parser("rotation", help=__doc__)
    one.add_argument("--credentials", type=int, default=CREDENTIALS)
    one.add_argument("--kills", type=int, default=KILLS, help="of the worker; the signer is killed once as well")
    one.add_argument("--followers", type=int, default=FOLLOWERS)
    one.add_argument("--calm", type=float, default=CALM_S, help="seconds of copies before the rotation, to compare")
    one.add_argument("--seed", type=int, default=0, help="of moments; by default drawn, and printed")
    one.add_argument("--json", action="store_true", help="the figures alone, as one JSON object")


def run(asked: argparse.Namespace) -> int:
    """Run in a state folder of its own that begins empty, whose servers stop at the end."""
    boot.prepare(var=nodes.empty("chaos-rotation"))
    asked.seed = asked.seed or time.time_ns() // 1_000_000 % 1_000_000
    plan = Plan(market="synthetic", rate_limits="off")

    def driver(plan: Plan, where: Places) -> int:
        return Rotation(where, asked).run(plan)

    return stack.run(
        plan=plan, driver=driver, name="rotation", quiet=asked.json, only_driver=True, stop_servers=True
    )  # fmt: skip


class Rotation:
    """The driver beside the stack."""

    def __init__(self, where: Places, asked: argparse.Namespace) -> None:
        self.where, self.asked = where, asked
        self._random = random.Random(asked.seed)
        self._over = threading.Event()
        self._killed: list[str] = []

    def run(self, plan: Plan) -> int:
        from citadel import services as citadel
        from citadel.models import Credential
        from obscura.core import clock, log
        from obscura.local import cast, crowd, laws, ready, record
        from obscura.local.chaos import sealed
        from obscura.local.play import Diary
        from obscura.local.venue import Control
        from tenants import services as tenants

        log.configure("rotation")
        schema, control = cast.ZERO.schema, Control(self.where.control)
        houses = cast.open_houses()
        ready.wait(plan, self.where, host=cast.ZERO.host)
        people = crowd.gather(refs=houses, control=control, followers=self.asked.followers)
        began = time.monotonic()
        with tenants.entered(schema):
            samples = sealed.make(self.asked.credentials, samples=SAMPLE)
            total = Credential.objects.exclude(envelopes={}).count()
        made_s = time.monotonic() - began
        self._say(f"{total} credentials sealed in {made_s:.0f} s, seed {self.asked.seed}")
        ready.wait_for_market(control, leads=len(people.leads))
        diary = Diary(since=clock.now(), leads=list(people.leads))
        hand = threading.Thread(target=self._trade, args=(diary, people.leads[0]))
        hand.start()
        try:
            time.sleep(self.asked.calm)
            rotated_us, began = int(time.time() * 1e6), time.monotonic()
            with tenants.entered(schema):
                with self._held(schema, total) as held:
                    version = citadel.rotate_keys(actor="chaos")
                    self._kill(schema, held, total)
                finished = self._wait(version, total)
            seconds, done_us = time.monotonic() - began, int(time.time() * 1e6)
            self._say(f"version {version} after {seconds:.1f} s; killed: {', '.join(self._killed) or 'nobody'}")
        finally:
            self._over.set()
            hand.join()
        waits = record.wait_until_settled(window=diary.window, limit=SETTLE_LIMIT_S, tell=self._say)
        found = record.read(window=diary.window(), control=control)
        verdict = laws.check(found.run)
        with tenants.entered(schema):
            opened = sealed.open_all()
            alike, still = sealed.sign_alike(samples), sealed.still_open(samples)
            rewrapped = Credential.objects.filter(key_version=version).count()
        for words in (*verdict.broken, *([f"not settled: {waits}"] if waits else [])):
            self._say(words)
        figures = {
            "credentials": total,
            "rewrapped": rewrapped,
            "opened": opened.opened,
            "unreadable": opened.unreadable,
            "under_old_versions": opened.behind,
            "sample": len(samples),
            "sample_signs_alike": alike,
            "old_envelopes_opened": still,
            "versions_before_destroyed": finished,
            "kills": self._killed.count("jobs"),
            "signer_kills": self._killed.count("signer"),
            "seconds": round(seconds, 1),
            "sealing_s": round(made_s, 1),
            "orders": sum(order.accepted for order in found.run.orders),
            "venue_orders": sum(one.count for one in found.run.executions.values()),
            "lost": verdict.lost,
            "duplicates": verdict.duplicates,
            "unexplained": verdict.unexplained,
            "unfinished": verdict.unfinished,
            "before": _latency(found.copies, 0, rotated_us),
            "during": _latency(found.copies, rotated_us, done_us),
            "seed": self.asked.seed,
        }
        stack.leave_result(self.where, figures)
        whole = total == rewrapped == opened.opened and len(samples) == alike and not still and not opened.behind
        killed = len(self._killed) == len(self._victims())
        return 0 if whole and finished and killed and verdict.kept and not waits and figures["orders"] else 1

    def _victims(self) -> list[str]:
        """The worker as often as was asked, and the signer once between."""
        kills = self.asked.kills
        return ["jobs"] * (kills - kills // 2) + ["signer"] * bool(kills) + ["jobs"] * (kills // 2)

    @contextmanager
    def _held(self, schema: str, total: int) -> Iterator[list[Held]]:
        """A row for each victim, held from before the rotation begins: wrapping is fast, and would be past it."""
        import psycopg
        from django.conf import settings

        from citadel.models import Credential

        rows = Credential.objects.exclude(envelopes={}).order_by("pk").values_list("pk", flat=True)
        victims = self._victims()
        with ExitStack() as stays:
            held = []
            for number, victim in enumerate(victims, 1):
                place = total * number // (len(victims) + 1)
                holder = stays.enter_context(psycopg.connect(settings.DATABASE_URL))
                holder.execute(_HOLD.format(schema=schema), [rows[place]])
                held.append(Held(victim, place, holder.rollback))
            yield held

    def _kill(self, schema: str, held: Sequence[Held], total: int) -> None:
        """Each when its part of the credentials is wrapped, and the worker waits for the next row."""
        import psycopg
        from django.conf import settings

        from obscura.local.chaos.kills import Killer
        from obscura.local.venue import Control

        control, seed = Control(self.where.control), self.asked.seed
        killer = Killer(var=self.where.var, control=control, label="", seed=seed, venue_ms=0, lease_s=0)
        with psycopg.connect(settings.DATABASE_URL, autocommit=True) as looker:
            for victim, place, let_go in held:
                end = time.monotonic() + REWRAP_LIMIT_S + total * EACH_LIMIT_S
                while not looker.execute(_WAITS.format(schema=schema)).fetchone()[0]:  # type: ignore[index]
                    if time.monotonic() > end:
                        raise TimeoutError(f"nobody came to row {place} of {total}")
                    time.sleep(LOOK_S)
                pid = killer.pid(victim)
                leftovers.signal_group(pid, signal.SIGKILL)
                self._killed.append(victim)
                self._say(f"{victim} killed at row {place} of {total}, pid {pid}")
                time.sleep(self._random.uniform(0, 0.3))
                let_go()

    def _wait(self, version: int, total: int) -> bool:
        """Until every version before is destroyed; False where that does not come."""
        from citadel.models import KeyVersion

        end = time.monotonic() + REWRAP_LIMIT_S + total * EACH_LIMIT_S
        while KeyVersion.objects.filter(version__lt=version).exclude(state="destroyed", wrapped="").exists():
            if time.monotonic() > end:
                return False
            time.sleep(LOOK_S)
        return True

    def _trade(self, diary: Diary, lead: Lead) -> None:
        """The lead's hand, until all is over; then it closes everything."""
        from obscura.local.play import Hand
        from obscura.local.venue import Control

        control, hand, draw = Control(self.where.control), Hand(seed=self.asked.seed), random.Random(self.asked.seed)
        for move in _until(self._over, hand.moves(), draw):
            diary.trade(control=control, lead=lead, move=move)
            hand.done(move)
        for move in hand.closing():
            diary.trade(control=control, lead=lead, move=move)

    def _say(self, words: str) -> None:
        print(f"{boot.since_start_ms() / 1000:5.1f} s  {words}", flush=True)


def _until(over: threading.Event, moves: Iterator[Any], draw: random.Random) -> Iterator[Any]:
    for move in moves:
        if over.wait(draw.uniform(*PAUSE_S)):
            return
        yield move


def _latency(copies: Sequence[Copies], since_us: int, until_us: int) -> dict[str, float]:
    """Lead trade to its last copy at the venue, by the venue's clock, of trades in this time."""
    from obscura.local.figures import ms, quantile

    took = [(max(one.orders) - one.lead) / 1000 for one in copies if one.orders and since_us <= one.lead < until_us]
    return {"trades": len(took), **{f"p{n}_ms": ms(quantile(took, n / 100)) for n in (50, 95, 100)}}
