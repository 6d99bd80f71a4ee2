"""When the stack is ready: the sign-in page answers, every process has reported, prices are known."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

from obscura.core import alive, redis_clients
from obscura.local.parts import Plan, reporting
from obscura.local.places import Places
from obscura.local.venue import Control
from trading.market.cache import price_key

LIMIT_S = 60.0
LOOK_S = 0.03
SIGN_IN = "/accounts/login/"


class NotReady(Exception):
    """Something did not come up in time; the text says what, its log says why."""


def wait(plan: Plan, where: Places, *, host: str, limit: float = LIMIT_S) -> None:
    """Until the sign-in page of `host` answers and every process has reported.

    :raises NotReady: not within `limit` seconds
    """
    wanted = reporting(plan)
    until(lambda: not (wanted - _reported()), lambda: f"no word of {', '.join(sorted(wanted - _reported()))}", limit)
    if "web" in wanted:
        until(lambda: answers(where, host=host), lambda: f"no sign-in page at {where.url(host, SIGN_IN)}", limit)


def wait_for_market(control: Control, *, leads: int, limit: float = LIMIT_S) -> None:
    """Until prices of the base symbols are known and both user streams of every lead are open.

    :raises NotReady: not within `limit` seconds
    """
    client = redis_clients.sync()
    keys = [price_key("paper", "binance", market) for market in ("spot", "usdm")]
    until(lambda: all(client.hlen(key) >= 2 for key in keys), lambda: "no prices; see market.log", limit)
    until(
        lambda: control.stats()["user_streams"] >= 2 * leads,
        lambda: "the leads' accounts are not watched; see sentinel.log",
        limit,
    )


def until(true: Callable[[], bool], words: Callable[[], str], limit: float) -> None:
    """Ask until it is so.

    :raises NotReady: not within `limit` seconds
    """
    end = time.monotonic() + limit
    while not true():
        if time.monotonic() > end:
            raise NotReady(words())
        time.sleep(LOOK_S)


def answers(where: Places, *, host: str, path: str = SIGN_IN) -> bool:
    """Whether a page of this host is served."""
    connection = http.client.HTTPConnection("127.0.0.1", where.ports["web"], timeout=5)
    try:
        connection.request("GET", path, headers={"Host": f"{host}:{where.ports['web']}"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _reported() -> set[str]:
    return {str(row["process"]) for row in alive.processes()}
