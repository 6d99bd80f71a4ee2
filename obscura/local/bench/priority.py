"""How soon a critical exit is placed, on an idle platform and while a fan-out to thousands is under way."""

from __future__ import annotations

import argparse
import time
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from obscura.local.bench.copies import BARE_ORDERS, SETTLE_LIMIT_S, Bench, run_bench
from obscura.local.figures import ms, quantile
from obscura.local.parts import Plan

FEW = 50
INTO_THE_FAN_OUT_S = 0.1


def parser(add: Any) -> None:
    """The options of `bench priority`."""
    one: argparse.ArgumentParser = add.add_parser("priority", help=__doc__)
    one.add_argument("--followers", type=int, default=10_000, help="of the pool whose fan-out is under way")
    one.add_argument("--trials", type=int, default=6, help="exits on an idle and on a busy platform, as many of each")
    one.add_argument("--rtt-ms", type=float, default=0.0, help="round trip to the venue that followers' orders take")
    one.add_argument("--json", action="store_true", help="the figures alone, as one JSON object on the last line")


def run(asked: argparse.Namespace) -> int:
    """Measure in a state folder of its own, whose servers stop at the end."""
    return run_bench(PriorityBench, asked)


class PriorityBench(Bench):
    """A second pool, a partner's, whose fifty followers are told to leave by a signal of priority critical."""

    def gather(self, plan: Plan) -> None:
        from obscura.local import crowd

        super().gather(plan)
        self.ref = self.houses["aurora"]
        self.pool = crowd.gather_few(ref=self.ref, control=self.control, followers=FEW, tag=self.tag)

    def measure(self) -> tuple[dict[str, object], bool]:
        """From taking the signal, as the API's service does, to the venue executing the last of the fifty exits."""
        from obscura.core import clock
        from obscura.local.bench import bare
        from obscura.local.play import Diary

        diary = Diary(since=clock.now(), leads=list(self.people.leads))
        idle: list[float] = []
        busy: list[float] = []
        for turn in range(self.asked.trials):
            self._enter()
            idle.append(self._exit())
            self._enter()
            self._trade(diary, "BTCUSDT", "BUY" if turn % 2 == 0 else "SELL")
            time.sleep(INTO_THE_FAN_OUT_S)
            busy.append(self._exit())
            self.outcomes.wait(self.people.followers, limit=SETTLE_LIMIT_S)
            self._settle(diary)
        found, kept, broken = self.verdict(diary)
        during = sum(len(one.orders) for one in found.copies)
        floor = self._beside(bare.measure, BARE_ORDERS)
        return {
            "followers": self.asked.followers,
            "exits": FEW,
            "trials": self.asked.trials,
            "copies": during,
            "idle_ms": ms(quantile(idle, 0.5)),
            "idle_max_ms": ms(max(idle)),
            "busy_ms": ms(quantile(busy, 0.5)),
            "busy_max_ms": ms(max(busy)),
            "bare_order_us": floor.order_us,
            "busy_in_bare_orders": round(quantile(busy, 0.5) * 1000 / floor.order_us, 1) if floor.order_us else 0.0,
            **broken,
        }, kept

    def _enter(self) -> None:
        self._placed("buy", Decimal("0.5"), "normal")

    def _exit(self) -> float:
        return self._placed("sell", Decimal("0.5"), "critical")

    def _placed(self, side: str, quantity: Decimal, priority: str) -> float:
        """Send a signal through the API's service; milliseconds until the venue had executed its last copy."""
        from obscura.core import clock
        from tenants import services as tenants
        from tenants.types import KeyHolder
        from trading.domain import priorities
        from trading.signals.intake import take_signal
        from trading.signals.request import SignalRequest

        key = KeyHolder(uuid.uuid4(), "bench", self.ref.id, "live", frozenset({"signals"}))
        request = SignalRequest(
            symbol="BTCUSDT",
            side=side,
            quantity=quantity,
            priority=priorities.BY_NAME[priority],
            external_trade_id=uuid.uuid4().hex,
        )
        with tenants.entered(self.ref.schema):
            began = int(clock.now().timestamp() * 1_000_000)
            taken = take_signal(pool_id=self.pool, request=request, key=key)
            names = self._settled(taken.signal_id)
        rows = self.control.executions(f"crowd0/few-{self.tag}")
        moments = [max(rows[name]["times"]) for name in names]
        if len(moments) != FEW or any(rows[name]["count"] != 1 for name in names):
            raise SystemExit(f"{len(moments)} of {FEW} {side}s were executed once")
        return (max(moments) - began) / 1000

    def _settled(self, signal: int) -> Sequence[str]:
        """The client order ids of a signal whose orders have all come to their end."""
        from trading.domain.order_state import TERMINAL
        from trading.models import Order

        end = time.monotonic() + SETTLE_LIMIT_S
        while time.monotonic() < end:
            rows = list(Order.objects.filter(signal_id=signal).values_list("client_id", "status"))
            if len(rows) == FEW and all(status in TERMINAL for _, status in rows):
                return [name for name, _ in rows]
            time.sleep(0.1)
        raise SystemExit(f"{len(rows)} orders of the small pool are there, and not all at their end")
