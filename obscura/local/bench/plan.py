"""How soon a lead's fill becomes the first follower's order on an idle platform, over many paced lead trades."""

from __future__ import annotations

import argparse
import time
from typing import Any

from obscura.local.bench.copies import BARE_ORDERS, PAUSE_S, SETTLE_LIMIT_S, Bench, run_bench
from obscura.local.figures import ms, quantile


def parser(add: Any) -> None:
    """The options of `bench plan`."""
    one: argparse.ArgumentParser = add.add_parser("plan", help=__doc__)
    one.add_argument("--followers", type=int, default=50)
    one.add_argument("--signals", type=int, default=150)
    one.add_argument("--rtt-ms", type=float, default=0.0, help="round trip to the venue that followers' orders take")
    one.add_argument("--json", action="store_true", help="the figures alone, as one JSON object on the last line")


def run(asked: argparse.Namespace) -> int:
    """Measure in a state folder of its own, whose servers stop at the end."""
    return run_bench(PlanBench, asked)


class PlanBench(Bench):
    """Paced: each lead trade comes when everything of the one before it is known, and a moment later."""

    def measure(self) -> tuple[dict[str, object], bool]:
        """From the venue writing the lead's fill to the venue executing the first copy, both by the venue's clock."""
        from obscura.core import clock
        from obscura.local.bench import bare
        from obscura.local.play import Diary

        diary = Diary(since=clock.now(), leads=list(self.people.leads))
        for turn in range(self.asked.signals):
            self._trade(diary, "BTCUSDT", "BUY" if turn % 2 == 0 else "SELL")
            self.outcomes.wait(self.people.followers, limit=SETTLE_LIMIT_S)
            time.sleep(PAUSE_S)
        self._settle(diary)
        found, kept, broken = self.verdict(diary)
        floor = self._beside(bare.measure, BARE_ORDERS)
        copied = [one for one in found.copies if one.orders]
        first = [(min(one.orders) - one.lead) / 1000 for one in copied]
        last = [(max(one.orders) - one.lead) / 1000 for one in copied]
        p50 = quantile(first, 0.5)
        return {
            "n": len(copied),
            "followers": self.asked.followers,
            "rtt_ms": self.asked.rtt_ms,
            "p50_ms": ms(p50),
            "p99_ms": ms(quantile(first, 0.99)),
            "max_ms": ms(max(first, default=0.0)),
            "last_p50_ms": ms(quantile(last, 0.5)),
            "last_p99_ms": ms(quantile(last, 0.99)),
            "bare_order_us": floor.order_us,
            "bare_orders_per_s": floor.per_second,
            "p50_in_bare_orders": round(p50 * 1000 / floor.order_us, 1) if floor.order_us else 0.0,
            **broken,
        }, kept
