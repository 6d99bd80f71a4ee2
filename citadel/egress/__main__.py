"""The egress: sends signed requests to venues, each once, and streams the answers back. `python -m citadel.egress`.

Holds no key. Reads $OBSCURA_RUN (directory of the sockets), $OBSCURA_PAPER (host:port of the paper venue),
$OBSCURA_EGRESS_MARKETS (markets whose prices are followed from the start, e.g. "binance:usdm:live"; those of the paper
venue always are), $OBSCURA_EGRESS_CONNECTIONS (per venue, market, environment and address, default 96),
$OBSCURA_EGRESS_ADDRESSES (our own addresses that connections are opened from, comma separated; none: the system
chooses), $OBSCURA_EGRESS_PRICES_FROM (the one that prices are asked from, so that they take nothing from what the
others may ask; default the first), $OBSCURA_EGRESS_UIDS and $OBSCURA_EGRESS_SIGNER_UIDS (workers and signers besides
our own uid), $OBSCURA_EGRESS_GROUP (may connect: a signer that is a user of its own; setting it takes root).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import uvloop

from citadel import processes
from citadel.egress.routes import Routes
from citadel.egress.server import Caller, Egress


def main() -> int:
    log = processes.Log("egress")
    processes.harden()
    directory = processes.run_dir()
    try:
        processes.hold(directory, "egress")
    except processes.AlreadyRunning as error:
        log.line("refused_to_start", code=error.code, remedy=(error.__doc__ or "").strip())
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(log))
    return 0


async def _serve(log: processes.Log) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    routes = Routes()
    egress = Egress(
        routes=routes,
        signer_uids=processes.allowed_uids("OBSCURA_EGRESS_SIGNER_UIDS"),
        uids=processes.allowed_uids("OBSCURA_EGRESS_UIDS"),
        log=log,
    )
    for market in routes.at_once():
        egress.prices.follow(market)
    path = processes.run_dir() / "egress.sock"
    listener = processes.listen(path, group=processes.number("OBSCURA_EGRESS_GROUP"))
    server = await loop.create_unix_server(lambda: Caller(egress), sock=listener)
    log.line("start", pid=os.getpid())
    await stop.wait()
    server.close()
    path.unlink(missing_ok=True)
    log.line("stop", **egress.counts)
    sys.stdout.flush()
    # There is nothing to drain: whoever waits for an answer learns silence from the closed connection and asks the
    # venue. A loop that first waits for its callers to leave would wait for as long as they live.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
