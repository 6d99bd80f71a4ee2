"""Reports for the processes that cannot report themselves: asks signer, egress and venue whether they answer."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgpack
import redis

from obscura.core import alive, log

FAST_S, SLOW_S = 0.1, 2.0
ANSWER_S = 1.0

_logger = log.get("watch")
_ids = itertools.count(1)


async def ping(path: Path) -> bool:
    """Whether a process of the vault answers on its socket."""
    writer = None
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(str(path))
            body = msgpack.packb({"op": "ping", "id": next(_ids)})
            writer.write(struct.pack("<I", len(body)) + body)
            (size,) = struct.unpack("<I", await reader.readexactly(4))
            return bool(msgpack.unpackb(await reader.readexactly(size)).get("ok"))
    except (OSError, TimeoutError, EOFError, ValueError):
        return False
    finally:
        if writer is not None:
            writer.close()


async def health(host: str, port: int) -> bool:
    """Whether the venue's control port says that it is well."""
    writer = None
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b" 200 " in await reader.readline()
    except (OSError, TimeoutError, EOFError):
        return False
    finally:
        if writer is not None:
            writer.close()


async def follow(name: str, answers: Callable[[], Awaitable[bool]]) -> None:
    """Ask often until there is a first answer, then every two seconds; report whenever there is one."""
    known = False
    while True:
        try:
            if await answers():
                await asyncio.to_thread(alive.report, name)
                known = True
            elif known:
                _logger.warning("watch.silent", name=name)
                known = False
        except redis.RedisError as error:
            _logger.warning("watch.unreported", name=name, error=type(error).__name__)
        await asyncio.sleep(SLOW_S if known else FAST_S)


async def run() -> None:
    folder = Path(os.environ["OBSCURA_RUN"])
    host, _, port = os.environ["OBSCURA_PAPER_CONTROL"].rpartition(":")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    tasks = [
        asyncio.create_task(follow("signer", lambda: ping(folder / "signer.sock"))),
        asyncio.create_task(follow("egress", lambda: ping(folder / "egress.sock"))),
        asyncio.create_task(follow("paper", lambda: health(host, int(port)))),
    ]
    await stop.wait()
    for task in tasks:
        task.cancel()


def main() -> int:
    log.configure("watch")
    asyncio.run(run())
    return 0
