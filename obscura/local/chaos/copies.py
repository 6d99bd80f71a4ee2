"""Leads trade without a pause while processes and connections die; then every record is held against the venue's."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from obscura.local import boot, embedded, nodes, stack
from obscura.local.parts import Plan
from obscura.local.places import Places

if TYPE_CHECKING:
    from obscura.local.play import Diary
    from obscura.local.record import Lead
    from obscura.local.venue import Control

LEADS = 2
PAUSES_S = (0.3, 0.9)
VENUE_MS = 20.0  # before each execution, and again after it: work is in flight whenever somebody dies
SETTLE_LIMIT_S = 240.0  # on a machine that others use too; minutes less on a quiet one
# Short, so that a run settles soon; their proportions are those of production.
TIMES = {
    "OBSCURA_RECV_WINDOW_MS": "2000",
    "OBSCURA_HTTP_TIMEOUT_MS": "1500",
    "OBSCURA_LEASE_MS": "2500",
    "OBSCURA_STREAM_PING_MS": "1000",
    "OBSCURA_STREAM_POLL_S": "5",
}


def parser(add: Any) -> None:
    """The options of `chaos copies`."""
    one: argparse.ArgumentParser = add.add_parser("copies", help=__doc__)
    one.add_argument("--kills", type=int, default=5)
    one.add_argument("--followers", type=int, default=60)
    one.add_argument("--seconds", type=float, default=0.0, help="how long leads trade; by default 3 for each kill")
    one.add_argument("--only", default="", help="the ways whose names have these words in them, over and over")
    one.add_argument("--seed", type=int, default=0, help="of moments and victims; by default drawn, and printed")
    nodes.option(one)
    one.add_argument("--json", action="store_true", help="the figures alone, as one JSON object on the last line")


def run(asked: argparse.Namespace) -> int:
    """Run in a state folder of its own, whose servers stop at the end."""
    shared = asked.keys == "nildb"
    var = boot.prepare(var=nodes.empty("chaos-nildb") if shared else boot.BASE / "var" / "chaos")
    embedded.stop(var)
    for old in ("paper", "valkey"):
        shutil.rmtree(var / old, ignore_errors=True)
    asked.seconds = asked.seconds or max(9.0, 3.0 * asked.kills)
    asked.seed = asked.seed or time.time_ns() // 1_000_000 % 1_000_000
    plan = Plan(market="synthetic", rate_limits="off")

    def driver(plan: Plan, where: Places) -> int:
        return Chaos(where, asked).run(plan)

    with nodes.shared(var) if shared else contextlib.nullcontext({}) as keys:
        env = TIMES | keys
        return stack.run(plan=plan, driver=driver, name="chaos", only_driver=True, env=env, stop_servers=True)


class Chaos:
    """The driver beside the stack."""

    def __init__(self, where: Places, asked: argparse.Namespace) -> None:
        self.where, self.asked = where, asked
        self._over = threading.Event()
        self._events = 0
        self._ways: Counter[str] = Counter()
        self._counting = threading.Lock()

    def run(self, plan: Plan) -> int:
        from django.db import connection

        from obscura.core import clock, log
        from obscura.local import cast, crowd, laws, ready, record
        from obscura.local.chaos.kills import Killer
        from obscura.local.play import Diary
        from obscura.local.venue import Control

        log.configure("chaos")
        control = Control(self.where.control)
        houses = cast.open_houses()
        ready.wait(plan, self.where, host=cast.ZERO.host)
        people = crowd.gather(refs=houses, control=control, followers=self.asked.followers, leads=LEADS)
        ready.wait_for_market(control, leads=LEADS)
        killer = Killer(
            var=self.where.var,
            control=Control(self.where.control),
            label=crowd.FOLLOWER_LABEL,
            seed=self.asked.seed,
            venue_ms=VENUE_MS,
            lease_s=int(TIMES["OBSCURA_LEASE_MS"]) / 1000,
        )
        killer.slow()
        self._say(f"{self.asked.followers} followers, {LEADS} leads, seed {self.asked.seed}")
        diary = Diary(since=clock.now(), leads=list(people.leads))
        hands = [
            threading.Thread(target=self._trade, args=(diary, lead, number)) for number, lead in enumerate(people.leads)
        ]
        for hand in hands:
            hand.start()
        self._kill(killer)
        self._over.set()
        for hand in hands:
            hand.join()
        killer.finish()
        kills = sum(self._ways.values())
        self._say(f"{self._events} lead trades, {kills} kills; waiting until all is settled")
        connection.close()  # a session of before the database was killed
        connection.close_pool()
        ended = time.monotonic()
        waits = record.wait_until_settled(window=diary.window, limit=SETTLE_LIMIT_S, tell=self._say)
        settled_s = time.monotonic() - ended
        ready.wait(plan, self.where, host=cast.ZERO.host)  # everybody is back, and pages are served
        control.no_faults()
        verdict = laws.check((found := record.read(window=diary.window(), control=control)).run)
        for words in verdict.broken:
            self._say(f"law broken: {words}")
        if waits:
            self._say(f"not settled after {SETTLE_LIMIT_S:.0f} s: {waits}")
        figures: dict[str, object] = {
            "events": self._events,
            "followers": self.asked.followers,
            "kills": kills,
            "lost": verdict.lost,
            "duplicates": verdict.duplicates,
            "unexplained": verdict.unexplained,
            "unfinished": verdict.unfinished,
            "signals": len(found.run.signals),
            "orders": len(found.run.orders),
            "orders_accepted": sum(order.accepted for order in found.run.orders),
            "missed": sum(order.status == "MISSED" for order in found.run.orders),
            "denials": len(found.run.denials),
            "denied": dict(Counter(denial.reason for denial in found.run.denials)),
            "venue_orders": sum(one.count for one in found.run.executions.values()),
            "settled_s": round(settled_s, 1),
            "ways": dict(self._ways),
            "seed": self.asked.seed,
        }
        stack.leave_result(self.where, figures)
        return 0 if verdict.kept and not waits else 1

    def _say(self, words: str) -> None:
        print(f"{boot.since_start_ms() / 1000:5.1f} s  {words}", flush=True)

    def _kill(self, killer: Any) -> None:
        """Do what was drawn, at the moments that were drawn."""
        began = time.monotonic()
        for at, way in killer.plan(kills=self.asked.kills, seconds=self.asked.seconds, only=self.asked.only):
            time.sleep(max(0.0, began + at - time.monotonic()))
            self._say(f"{way}: {killer.ways[way]()}")
            self._ways[way] += 1
        time.sleep(max(0.0, began + self.asked.seconds - time.monotonic()))

    def _trade(self, diary: Diary, lead: Lead, number: int) -> None:
        """One lead's hand, over a connection of its own to the venue, until all is over; then it closes everything."""
        import random

        from obscura.local.play import Hand
        from obscura.local.venue import Control

        draw = random.Random(self.asked.seed * 31 + number)
        control, hand = Control(self.where.control), Hand(seed=self.asked.seed + number)
        for move in hand.moves():
            if self._over.wait(draw.uniform(*PAUSES_S)):
                break
            self._once(diary, control, lead, hand, move)
        for move in hand.closing():
            self._once(diary, control, lead, hand, move)

    def _once(self, diary: Diary, control: Control, lead: Lead, hand: Any, move: Any) -> None:
        from obscura.local.venue import VenueRefused

        try:
            diary.trade(control=control, lead=lead, move=move)
        except VenueRefused as error:
            self._say(f"the venue refused {move.side} {move.quantity} {move.symbol}: {error}")
            return
        hand.done(move)
        with self._counting:
            self._events += 1
