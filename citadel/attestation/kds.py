"""AMD's Key Distribution Service: what it has at a path, or that nobody answers there."""

from __future__ import annotations

import ssl
import threading
from concurrent.futures import Future
from urllib.parse import urlsplit

from citadel.attestation.https import Answer, Away, Line

KDS = "https://kdsintf.amd.com"
TIMEOUT = 10.0


def get(url: str, *, limit: int, tls: ssl.SSLContext | None = None, timeout: float = TIMEOUT) -> Answer:
    """The answer to one question; it is asked once, and no redirect is followed.

    :param tls: whose names are believed; the system's trust where none is given
    :param timeout: seconds until the caller goes on, whatever holds the question up
    :raises Away: nobody answers in time, or the answer breaks off
    :raises citadel.attestation.https.TooLong: it has more than `limit` bytes
    """
    answer: Future[Answer] = Future()

    # A name that is not resolved, and one address after the other that does not answer, have no common time limit.
    def ask() -> None:
        try:
            answer.set_result(_ask(url, limit=limit, tls=tls, timeout=timeout / 2))
        except Exception as failed:  # noqa: BLE001 - it is raised again where the answer is waited for
            answer.set_exception(failed)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(timeout)
    except TimeoutError:
        raise Away(f"no answer within {timeout:g} s") from None


def _ask(url: str, *, limit: int, tls: ssl.SSLContext | None, timeout: float) -> Answer:
    parts = urlsplit(url)
    tls = tls or ssl.create_default_context()
    with Line(host=parts.hostname or "", port=parts.port or 443, tls=tls, timeout=timeout) as line:
        return line.get(f"{parts.path}?{parts.query}" if parts.query else parts.path, limit=limit)
