"""Signed questions to a venue about one account, through signer and egress, from a worker that is not asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from django.conf import settings

from citadel.client import Chunk, ChunkSender, Row, SignerClient, WrappedKey
from citadel.domain.permissions import Answer
from obscura.core import clock

RECV_WINDOW_MS = 5_000
TIMEOUT_MS = 5_000


def ask(
    *,
    tenant_id: int,
    account: bytes,
    envelopes: Mapping[str, str],
    environment: str,
    paths: Sequence[str],
    address: str = "",
    keys: Sequence[WrappedKey] = (),
) -> list[Answer]:
    """Put signed GETs to Binance (spot) one after the other, until one is not answered with 200.

    :param address: where they leave from; a key may be good from there alone
    :param keys: the tenant's wrapped keys
    :returns: an answer for each path that was asked, in order
    :raises citadel.client.SignerRefused: the envelopes do not open for this account
    :raises citadel.client.SignerUnavailable: the signer does not answer
    """
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        _, refused = signer.open([(tenant_id, account, envelopes)], keys)
    finally:
        signer.close()
    if refused:
        return [Answer(0, refused[0][1].encode())]
    return asyncio.run(_ask(account=account, environment=environment, paths=paths, address=address))


async def _ask(*, account: bytes, environment: str, paths: Sequence[str], address: str) -> list[Answer]:
    sender = ChunkSender(run_dir=settings.RUN_DIR)
    answers: list[Answer] = []
    try:
        for path in paths:
            question = _question(account=account, environment=environment, path=path)
            [result] = await sender.send(question._replace(address=address))
            answers.append(Answer(result.status, result.body))
            if result.status != 200:
                break
    finally:
        await sender.close()
    return answers


def _question(*, account: bytes, environment: str, path: str) -> Chunk:
    now = clock.millis(clock.now())
    return Chunk(
        venue="binance",
        market="spot",
        env=environment,
        method="GET",
        path=path,
        head=b"recvWindow=%d&timestamp=%d" % (RECV_WINDOW_MS, now),
        rows=[Row(0, account, b"")],
        not_after_ms=now + RECV_WINDOW_MS,
        timeout_ms=TIMEOUT_MS,
    )
