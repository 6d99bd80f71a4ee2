"""`python -m obscura.local.demo`: everything on one machine, with people in it and a lead who trades.

`--once` plays twenty seconds at real pace, waits until all is settled, holds our records against the venue's, prints
the figures as one JSON object on the last line and ends with 0, or with 1 where a law was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import time
from typing import TYPE_CHECKING, Any

from obscura.local import boot, nodes, stack
from obscura.local.parts import Plan
from obscura.local.places import Places

if TYPE_CHECKING:
    from obscura.local.cast import Cast
    from obscura.local.play import Diary, Move
    from obscura.local.record import Lead
    from obscura.local.venue import Control

ONCE_S = 20.0
PACE_S = 2.0
# A served demo calms down: sixty accounts behind one address must stay within what the venue lets an address do.
CALM_PACE_S = 8.0
PARTNER_EVERY = 3
SETTLE_LIMIT_S = 30.0
TELL_LIMIT_S = 1.5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m obscura.local.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="play 20 seconds, check the laws, print the figures")
    parser.add_argument("--market", choices=("capture", "synthetic", "live"), default="")
    parser.add_argument("--followers", type=int, default=60)
    parser.add_argument("--without", action="append", default=[], help="leave a process out, e.g. web")
    nodes.option(parser)
    asked = parser.parse_args()
    shared = asked.keys == "nildb"
    var = boot.prepare(var=nodes.empty("nildb") if shared else None)
    born = time.monotonic() - boot.since_start_ms() / 1000
    plan = Plan(market=asked.market, data=stack.data_folder(), without=frozenset(asked.without))

    def driver(plan: Plan, where: Places) -> int:
        return Demo(plan, where, born=born, once=asked.once, followers=asked.followers).run()

    try:
        with nodes.shared(var) if shared else contextlib.nullcontext({}) as env:
            code = stack.run(plan=plan, driver=driver, env=env, stop_servers=shared)
    except stack.AlreadyRunning as error:
        print(f"demo: {error.__doc__}", file=sys.stderr)
        return 1
    # Served until somebody asked it to stop: that is its good end.
    return 0 if code == stack.STOPPED and not asked.once else code


class Demo:
    """The driver: puts the cast in place, plays, and in the end holds our records against the venue's."""

    def __init__(self, plan: Plan, where: Places, *, born: float, once: bool, followers: int) -> None:
        self.plan, self.where, self.born, self.once, self.followers = plan, where, born, once, followers
        self.ready_ms = 0.0

    def run(self) -> int:
        from obscura.core import log
        from obscura.local import cast, ready
        from obscura.local.venue import Control

        log.configure("demo")
        control = Control(self.where.control)
        houses = cast.open_houses()
        try:
            ready.wait(self.plan, self.where, host=cast.ZERO.host)
            self.ready_ms = (time.monotonic() - self.born) * 1000
            print(f"ready after {self.ready_ms / 1000:.1f} s", flush=True)
            began = time.monotonic()
            book = cast.Book(self.where.var / "demo.json")
            people = cast.seed(book=book, refs=houses, followers=self.followers)
            print(f"{people.followers} followers in place after {time.monotonic() - began:.1f} s", flush=True)
            ready.wait_for_market(control, leads=1)
        except (ready.NotReady, cast.NotEnrolled) as error:
            print(f"not ready: {error}", flush=True)
            return 1
        self._welcome(people)
        return self._play(people, control)

    def _welcome(self, people: Cast) -> None:
        from django.conf import settings

        from obscura.local.cast import HOUSES

        print("", flush=True)
        for house in HOUSES:
            print(f"{house.name:<16} {self.where.url(house.host)}", flush=True)
        print(f"{'Back office':<16} {self.where.url(settings.OFFICE_HOST)}", flush=True)
        for who, password in people.passwords.items() if not self.once else ():
            print(f"  {who:<28} {password}", flush=True)
        later = "" if self.once else f" for a while, then every {CALM_PACE_S:.0f}"
        print(f"Market: {self.plan.source()}. Ada trades every {PACE_S:.0f} seconds{later}.", flush=True)

    def _play(self, people: Cast, control: Control) -> int:
        from obscura.core import clock
        from obscura.local.play import Diary, Hand
        from obscura.local.record import Lead

        assert people.lead_account is not None
        ada = Lead("t_zero", people.lead_account, people.lead_key)
        diary = Diary(since=clock.now(), leads=[ada])
        hand = Hand(seed=int(diary.since.timestamp()))
        partner = Partner(self.where, people)
        lively_until = time.monotonic() + ONCE_S
        end = lively_until if self.once else float("inf")
        moves = hand.moves()
        for turn in itertools.count():
            began = time.monotonic()
            if began >= end:
                break
            self._move(diary, control, ada, hand, next(moves))
            if turn % PARTNER_EVERY == 0:
                partner.send()
            pace = PACE_S if began < lively_until else CALM_PACE_S
            time.sleep(max(0.0, min(began + pace, end) - time.monotonic()))
        for move in hand.closing():
            self._move(diary, control, ada, hand, move)
        return self._verdict(diary, control)

    def _move(self, diary: Diary, control: Control, ada: Lead, hand: Any, move: Move) -> None:
        from django.db import OperationalError, connection

        from obscura.local.tell import copies_in_words
        from obscura.local.venue import VenueRefused

        try:
            answer = diary.trade(control=control, lead=ada, move=move)
        except VenueRefused as error:
            print(f"Ada could not trade {move.symbol}: {error}", flush=True)
            return
        hand.done(move)
        try:
            words = copies_in_words(lead=ada, order_id=str(answer["orderId"]), limit=TELL_LIMIT_S)
        except OperationalError:
            connection.close()
            words = "the database is away; what is copied will be seen when it is back"
        verb = "buys" if move.side == "BUY" else "sells"
        print(
            f"Ada {verb} {move.quantity.normalize():f} {move.symbol} ({move.market}), {move.words}: {words}", flush=True
        )

    def _verdict(self, diary: Diary, control: Control) -> int:
        from obscura.local import laws, record
        from obscura.local.figures import latencies

        waits = record.wait_until_settled(window=diary.window, limit=SETTLE_LIMIT_S)
        found = record.read(window=diary.window(), control=control)
        run, verdict = found.run, laws.check(found.run)
        figures: dict[str, object] = {
            "market": self.plan.source(),
            "tenants": found.tenants,
            "followers": self.followers,
            "lead_fills": len(run.lead_fills),
            "signals": len(run.signals),
            "orders": len(run.orders),
            "orders_accepted": sum(order.accepted for order in run.orders),
            "denials": len(run.denials),
            "venue_orders": sum(one.count for one in run.executions.values()),
            "lost": verdict.lost,
            "duplicates": verdict.duplicates,
            "unexplained": verdict.unexplained,
            "unfinished": verdict.unfinished,
            **latencies(found.copies),
            "ready_ms": round(self.ready_ms),
        }
        for words in verdict.broken:
            print(f"law broken: {words}", flush=True)
        if waits:
            print(f"not settled after {SETTLE_LIMIT_S:.0f} s: {waits}", flush=True)
        stack.leave_result(self.where, figures)
        good = not waits and verdict.kept and run.lead_fills and figures["orders_accepted"] == figures["venue_orders"]
        return 0 if good else 1


class Partner:
    """Aurora's desk: sends a signal over HTTP with its API key, a buy and then its sale."""

    def __init__(self, where: Places, people: Cast) -> None:
        self.where, self.pool, self.key = where, people.partner_pool, people.partner_key
        self._turn = itertools.cycle(("buy", "sell"))

    def send(self) -> None:
        import http.client
        import uuid

        import orjson

        from obscura.local.cast import AURORA

        side = next(self._turn)
        body = orjson.dumps(
            {
                "symbol": "ETHUSDT",
                "side": side,
                "quantity": "0.5",
                "platform": "spot",
                "external_trade_id": f"desk-{uuid.uuid4().hex}",
            }
        )
        host = f"{AURORA.host}:{self.where.ports['web']}"
        connection = http.client.HTTPConnection("127.0.0.1", self.where.ports["web"], timeout=10)
        try:
            connection.request(
                "POST",
                f"/api/v2/pools/{self.pool}/signals",
                body=body,
                headers={
                    "Host": host,
                    "Content-Type": "application/json",
                    "X-API-Key": self.key,
                },
            )
            answer = connection.getresponse()
            text = answer.read(300).decode("utf-8", "replace")
        except OSError as error:
            print(f"Aurora's signal was not taken: {type(error).__name__}", flush=True)
            return
        finally:
            connection.close()
        if answer.status < 300:
            print(f"Aurora's desk signals {side} 0.5 ETHUSDT", flush=True)
        else:
            print(f"Aurora's signal was not taken: {answer.status} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
