"""One lead, many followers over three tenants: how soon the copies are at the venue, and what each of them costs."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from obscura.local import boot, embedded, stack
from obscura.local.bench import cpu
from obscura.local.figures import Copies, latencies, median, ms, per_copy
from obscura.local.parts import Plan
from obscura.local.places import Places

if TYPE_CHECKING:
    from obscura.local.play import Diary
    from obscura.local.record import Record

SIZE, REST = Decimal("0.5"), Decimal("0.4995")
"""What the lead buys, and what of it is left to sell when the venue has taken its fee in kind."""
BURST, BURST_COPIES = 6, 12_000
BURST_MOVES = (("BTCUSDT", "BUY"), ("ETHUSDT", "BUY"))
BARE_ORDERS, STOCK_ORDERS = 2_000, 1_000
BARE_ACCOUNTS = 64
BARE_QUANTITY = "0.0016"
PAUSE_S, TIDY_S = 0.2, 0.03
SETTLE_LIMIT_S = 20.0
ENGINE = ("orders", "urgent", "signer", "egress")
STORES = ("postgresql", "valkey")

DEFAULTS = Plan()
Measure = Callable[..., Any]


def parser(add: Any) -> None:
    """The options of `bench copies`."""
    one: argparse.ArgumentParser = add.add_parser("copies", help=__doc__)
    one.add_argument("--followers", type=int, default=1000)
    one.add_argument("--signals", type=int, default=6, help="lead trades, one after the other; a burst follows")
    one.add_argument("--rtt-ms", type=float, default=0.0, help="round trip to the venue that followers' orders take")
    one.add_argument("--order-workers", type=int, default=DEFAULTS.order_workers, help="processes that plan and place")
    one.add_argument("--json", action="store_true", help="the figures alone, as one JSON object on the last line")


def run(asked: argparse.Namespace) -> int:
    """Measure in a state folder of its own, whose servers stop at the end."""
    return run_bench(Bench, asked)


def run_bench(make: type[Bench], asked: argparse.Namespace) -> int:
    """Run a driver beside a stack of its own."""
    var = boot.prepare(var=boot.BASE / "var" / "bench")
    embedded.stop(var)
    for old in ("paper", "valkey"):
        shutil.rmtree(var / old, ignore_errors=True)  # the venue's journal of earlier runs is not what is measured
    workers = getattr(asked, "order_workers", DEFAULTS.order_workers)
    plan = Plan(market="synthetic", without=frozenset({"web"}), rate_limits="off", order_workers=workers)

    def driver(plan: Plan, where: Places) -> int:
        return make(where, asked).run(plan)

    return stack.run(plan=plan, driver=driver, name="bench", only_driver=True, stop_servers=True)


class Bench:
    """The driver beside the stack."""

    def __init__(self, where: Places, asked: argparse.Namespace) -> None:
        self.where, self.asked = where, asked

    def run(self, plan: Plan) -> int:
        self.gather(plan)
        figures, kept = self.measure()
        if not self.asked.json:
            for name, value in figures.items():
                print(f"{name:<24} {value}", flush=True)
        stack.leave_result(self.where, figures)
        return 0 if kept else 1

    def gather(self, plan: Plan) -> None:
        """Wait for the stack, make the people of this run, and let every process do once what will be measured."""
        from obscura.core import clock, log
        from obscura.local import cast, crowd, ready
        from obscura.local.bench.outcomes import Outcomes
        from obscura.local.play import Diary
        from obscura.local.venue import Control

        log.configure("bench")
        self.control, self.tag = Control(self.where.control), secrets.token_hex(4)
        self.houses = cast.open_houses()
        ready.wait(plan, self.where, host=cast.ZERO.host)
        self._say("seeding")
        self.people = crowd.gather(refs=self.houses, control=self.control, followers=self.asked.followers, tag=self.tag)
        ready.wait_for_market(self.control, leads=len(self.people.leads))
        if self.asked.rtt_ms:
            self.control.faults(label=crowd.FOLLOWER_LABEL, rtt_ms=self.asked.rtt_ms)
        self.meter = cpu.Meter({})
        self.outcomes = Outcomes([ref.schema for ref in self.houses.values()])
        self._say("warming up")
        warm = Diary(since=clock.now(), leads=list(self.people.leads))
        for side in ("BUY", "SELL"):
            self._signal(warm, "BTCUSDT", side)
        self.meter = cpu.Meter(cpu.pids(self.where.var))
        self._say("measuring")

    def measure(self) -> tuple[dict[str, object], bool]:
        """The figures, and whether every law was kept."""
        from obscura.core import clock
        from obscura.local.play import Diary

        diary = Diary(since=clock.now(), leads=list(self.people.leads))
        for turn in range(self.asked.signals):
            self._signal(diary, "BTCUSDT", "BUY" if turn % 2 == 0 else "SELL")
        paced = len(diary.window().orders)
        self._burst(diary)
        memory = cpu.memory_mb(self.meter.groups, ENGINE)
        found, kept, broken = self.verdict(diary)
        bare, stock = self.others()
        return {**self._figures(found, paced, self.meter.used, bare, stock, memory), **broken}, kept

    def verdict(self, diary: Diary) -> tuple[Record, bool, dict[str, object]]:
        """Every record of the run held against the venue's."""
        from obscura.local import laws, record

        self.control.no_faults()
        found = record.read(window=diary.window(), control=self.control)
        verdict = laws.check(found.run)
        for words in verdict.broken:
            print(f"law broken: {words}", flush=True)
        return found, verdict.kept, {"lost": verdict.lost, "duplicates": verdict.duplicates}

    def others(self) -> tuple[Any, Any]:
        """The same orders by the bare client, and by ccxt as it comes."""
        from obscura.local.bench import bare, stock

        self._say("the bare client and stock ccxt")
        return self._beside(bare.measure, BARE_ORDERS), self._beside(stock.measure, STOCK_ORDERS)

    def _say(self, words: str) -> None:
        print(f"{boot.since_start_ms() / 1000:5.1f} s  {words}", flush=True)

    def _signal(self, diary: Diary, symbol: str, side: str) -> None:
        """One lead trade, and everything that follows from it."""
        with self.meter:
            self._trade(diary, symbol, side)
            self._outcomes(self.people.followers)
        self._settle(diary)
        time.sleep(PAUSE_S)

    def _burst(self, diary: Diary) -> None:
        """Lead trades on each other's heels: what is sustained when work waits."""
        burst = max(2, min(BURST, BURST_COPIES // self.people.followers))
        with self.meter:
            for turn in range(burst):
                symbol, side = BURST_MOVES[turn % len(BURST_MOVES)]
                self._trade(diary, symbol, side)
            self._outcomes(self.people.followers * burst)
        self._settle(diary)

    def _trade(self, diary: Diary, symbol: str, side: str) -> None:
        from obscura.local.play import Move

        move = Move("spot", symbol, side, SIZE if side == "BUY" else REST, "")
        diary.trade(control=self.control, lead=self.people.leads[0], move=move)

    def _outcomes(self, expected: int) -> None:
        """Wait on the live feed, and a moment longer for what is tidied up behind it."""
        if not self.outcomes.wait(expected, limit=SETTLE_LIMIT_S):
            self._say("some outcomes did not come over the feed in time")
        time.sleep(TIDY_S)

    def _settle(self, diary: Diary) -> None:
        """Look into the tables until all is done. Looking costs what is measured, so nothing is measured meanwhile."""
        from obscura.local import record

        waits = record.wait_until_settled(window=diary.window, limit=SETTLE_LIMIT_S, every=0.1)
        if waits:
            raise SystemExit(f"not settled after {SETTLE_LIMIT_S:.0f} s: {waits}")

    def _beside(self, measure: Measure, orders: int) -> Any:
        """In a process of its own: only its own CPU is counted."""
        from obscura.local import crowd

        pairs = crowd.spare_keys(control=self.control, count=BARE_ACCOUNTS, tag=self.tag)
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(target=_child, args=(queue, measure, os.environ["OBSCURA_PAPER"], pairs, orders))
        child.start()
        found = queue.get()
        child.join()
        if isinstance(found, Exception):
            raise found
        return found

    def _figures(
        self, found: Record, paced: int, used: Mapping[str, int], bare: Any, stock: Any, memory: float
    ) -> dict[str, object]:
        accepted = sum(order.accepted for order in found.run.orders)
        engine = per_copy(used, ENGINE, accepted)
        stores = per_copy(used, (*ENGINE, *STORES), accepted)
        burst = [one for one in found.copies[paced:] if one.orders]
        figures: dict[str, object] = {
            "followers": self.asked.followers,
            "tenants": found.tenants,
            "signals": len(found.copies),
            "rtt_ms": self.asked.rtt_ms,
            **latencies(found.copies[:paced]),
            "last_known_ms": ms(median(known_ms(found.copies[:paced], found))),
            "copies": accepted,
            "denials": len(found.run.denials),
            "copies_per_s": sustained(burst),
            "cpu_us_per_copy": engine,
            "bare_cpu_us_per_order": bare.cpu_us,
            "bare_orders_per_s": bare.per_second,
            "bare_order_us": bare.order_us,
            "ccxt_us_per_order": stock.cpu_us,
            "ccxt_orders_per_s": stock.per_second,
            "ratio_to_ccxt": round(engine / stock.cpu_us, 2) if stock.cpu_us else 0.0,
            "cpu_ratio": round(engine / bare.cpu_us, 2) if bare.cpu_us else 0.0,
            "cpu_ratio_with_stores": round(stores / bare.cpu_us, 2) if bare.cpu_us else 0.0,
            "rss_mb": memory,
        }
        for name in ("orders", "urgent", "signer", "egress", "sentinel", *STORES, "paper"):
            figures[f"{name}_us"] = per_copy(used, (name,), accepted)
        return figures


def sustained(burst: Sequence[Copies]) -> int:
    """Copies a second from the first lead trade of a burst to the last order of it; 0 of none."""
    orders = [at for one in burst for at in one.orders]
    if not orders:
        return 0
    return round(len(orders) / ((max(orders) - min(one.lead for one in burst)) / 1_000_000))


def known_ms(copies: Sequence[Copies], found: Record) -> list[float]:
    """For each lead trade: until the last result was written down."""
    return [(found.known[one.lead] - one.lead) / 1000 for one in copies if one.lead in found.known]


def _child(queue: Any, measure: Measure, venue: str, pairs: Any, orders: int) -> None:
    try:
        queue.put(measure(venue=venue, pairs=pairs, orders=orders, quantity=BARE_QUANTITY))
    except Exception as error:  # noqa: BLE001 - the parent waits for an answer, whatever it is
        queue.put(RuntimeError(f"{type(error).__name__}: {error}"))
