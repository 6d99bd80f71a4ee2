"""Exchanges on this machine that the egress finds under their own names, and accounts there whose requests it sends."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import ccxt.async_support

from citadel import decoys, sealing
from citadel.bearing import Use
from citadel.carry import CarriedSession, Carrier
from citadel.client import CarriedRequest, ChunkSender, Result, SignerClient
from citadel.decoys import Decoys, Facts
from tests.citadel.support import BEN, TENANT, Person, Vault, now_ms


class Heard(NamedTuple):
    """One request as it came in; header names in small letters."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


class Peer:
    """Every exchange at once, on one port. `answer` says what each request is told: status, and JSON or text."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], tuple[int, Any]] = lambda heard: (200, {})
        self.port = 0


@contextmanager
def peer() -> Iterator[Peer]:
    found = Peer()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0"))).decode()
            if headers["host"].endswith("binance.com"):  # the egress looks for prices there
                self.send_error(404)
                return
            heard = Heard(self.command, self.path, headers, body)
            found.heard.append(heard)
            status, told = found.answer(heard)
            data = (told if isinstance(told, str) else json.dumps(told)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Retry-After", headers.get("ok-access-sign", "1"))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

        def log_message(self, *args: object) -> None:
            """Tests are quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


class Account:
    """One person's account at an exchange, open in the signer, and what a worker may do with it."""

    def __init__(self, vault: Vault, exchange: str, fields: dict[str, str], one: Person, permits: list[bytes]) -> None:
        self.vault, self.exchange, self.account = vault, exchange, one.account
        client = vault.client()
        box = sealing.seal(
            intake=client.intake_key()[0], tenant=TENANT, account=one.account, fields=fields | {"exchange": exchange}
        )
        envelopes = client.enrol(tenant=TENANT, account=one.account, sealed=box)[0]
        assert client.open([(TENANT, one.account, envelopes)], permits=permits)[1] == []
        client.close()

    def send(self, *uses: Use, url: str, **changed: Any) -> Result:
        """A request of the worker's own making."""
        plain = CarriedRequest(
            account=self.account,
            env="paper",
            method="GET",
            url=url,
            headers=[],
            body=b"",
            uses=uses,
            decoy="",
            not_after_ms=now_ms() + 3_000,
            timeout_ms=2_000,
        )

        async def sent() -> Result:
            sender = ChunkSender(run_dir=self.vault.directory)
            try:
                return await sender.carry(plain._replace(**changed))
            finally:
                await sender.close()

        return asyncio.run(sent())

    def ask(self, method: str, *args: Any, prepare: Callable[[Any], None] = lambda made: None) -> Any:
        """One of ccxt's methods, called as a worker calls it. The answer, or the exception."""
        client = self.vault.client()
        try:
            with decoys.alone(client) as known:
                return asyncio.run(self._asked(client, known, method, args, prepare))
        finally:
            client.close()

    async def _asked(
        self, client: SignerClient, known: Decoys, method: str, args: Any, prepare: Callable[[Any], None]
    ) -> Any:
        facts = Facts(**client.facts(self.account))
        held = known.credentials(self.account, exchange=self.exchange, facts=facts)
        sender = ChunkSender(run_dir=self.vault.directory)
        session = CarriedSession(
            http=_NoWay(), carrier=Carrier(decoys=known, sender=sender), environment="paper"
        )  # fmt: skip
        made = getattr(ccxt.async_support, self.exchange)({**held, "session": session, "enableRateLimit": False})
        prepare(made)
        known.bear(made, account=self.account)
        self.held = held
        try:
            return await getattr(made, method)(*args)
        finally:
            made.session = None
            await sender.close()


class _NoWay:
    """A worker's own session: nothing may go over it."""

    headers: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a request left the worker by itself: {name}")


def account(vault: Vault, exchange: str, fields: dict[str, str], *permits: bytes, one: Person = BEN) -> Account:
    """The person's account at an exchange, open in the signer."""
    return Account(vault, exchange, fields, one, list(permits))
