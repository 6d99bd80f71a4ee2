"""How a process reaches exchanges: one HTTP session per environment, and cheap ccxt exchanges on top of it."""

from __future__ import annotations

import asyncio
import copy
import errno
import os
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from citadel.carry import CarriedSession, Carrier
from obscura.core.errors import Problem

from .paper.certificates import Certificates, ensure
from .quirks import PAPER_HOSTS, VENUES, exchange_class, weight_of

PAPER, LIVE = "paper", "live"
CONNECTIONS = 64  # more sockets than this are slower, not faster
PONG_MS = 5_000  # a frozen stream is noticed after about two and a half of these; ccxt's own default is minutes


class HostRefused(OSError):
    """The host is not one of the paper venue's. Nothing was sent; a real exchange can not be reached from here."""


def paper_certificates(folder: Path) -> Certificates:
    """The local authority and the venue's certificate in `folder`, made on first use. Never commit them."""
    return ensure(folder)


class EnvironmentUnknown(Problem):
    """An exchange account is either live or paper."""

    code = "environment_unknown"
    remedy = "Use the environment paper or live."


class PaperVenueUnknown(Problem):
    """The paper venue's TLS port is not known."""

    code, http_status, retryable = "paper_venue_unknown", 503, True
    remedy = "Start the paper venue and set OBSCURA_PAPER_TLS to host:port."


class PaperAuthorityUnknown(Problem):
    """The paper venue's certificate authority was not found."""

    code, http_status, retryable = "paper_authority_unknown", 503, True
    remedy = "Set OBSCURA_PAPER_CA to the ca.pem that the venue makes in DIR/tls."


class PaperResolver(AbstractResolver):
    """Maps the exchange's own host names to the paper venue and refuses every other name."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in PAPER_HOSTS:
            raise HostRefused(errno.EHOSTUNREACH, f"{host} is not reachable in the paper environment")
        found = ResolveResult(
            hostname=host, host=self.host, port=self.port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
        )
        return [found]

    async def close(self) -> None:
        """Nothing is held."""


class PaperConnector(aiohttp.TCPConnector):
    """Refuses addresses too: a URL with a bare IP never asks a resolver."""

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        if host not in PAPER_HOSTS:
            raise HostRefused(errno.EHOSTUNREACH, f"{host} is not reachable in the paper environment")
        return await super()._resolve_host(host, port, traces)


def paper_address(value: str | None = None) -> tuple[str, int]:
    """`host:port` of the paper venue's TLS port, by default from OBSCURA_PAPER_TLS.

    :raises PaperVenueUnknown: it is not set, or not host:port
    """
    text = value or os.environ.get("OBSCURA_PAPER_TLS", "")
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise PaperVenueUnknown()
    return ("127.0.0.1" if host == "localhost" else host), int(port)


def tls_context(environment: str, authority: Path | None = None) -> ssl.SSLContext:
    """For live the system's authorities; for paper nothing but our own (`authority`, or OBSCURA_PAPER_CA).

    :raises PaperAuthorityUnknown: there is no such file
    """
    if environment == LIVE:
        return ssl.create_default_context()
    path = authority or Path(os.environ.get("OBSCURA_PAPER_CA", ""))
    if not path.is_file():
        raise PaperAuthorityUnknown()
    return ssl.create_default_context(cafile=str(path))


def own_address() -> tuple[str, int] | None:
    """Where our streams and questions come from: the first of OBSCURA_EGRESS_ADDRESSES; None: the system chooses."""
    first = os.environ.get("OBSCURA_EGRESS_ADDRESSES", "").split(",")[0].strip()
    return (first, 0) if first else None


class Gate(Protocol):
    """Who is asked before each request, and told when the exchange says that it was one too many."""

    async def admit(self, *, environment: str, exchange: str, market: str, weight: int) -> None: ...

    async def refused(self, *, environment: str, exchange: str, market: str, headers: Mapping[str, str]) -> None: ...


class Sessions:
    """All exchange sessions of one event loop. Close it when the loop ends.

    :param paper: the paper venue's TLS address, and `authority` its ca.pem; by default they come from the environment
    :param gate: books the weight of each request before it is sent; without one they are sent as they come
    :param carrier: has what accounts ask signed and sent by the vault; without one they hold keys of their own
    """

    def __init__(
        self,
        *,
        paper: str | None = None,
        authority: Path | None = None,
        gate: Gate | None = None,
        carrier: Carrier | None = None,
    ) -> None:
        self._paper, self._authority, self._gate, self._carrier = paper, authority, gate, carrier
        self._http: dict[str, aiohttp.ClientSession] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._templates: dict[tuple[str, str], asyncio.Future[Any]] = {}
        self._made: list[Any] = []

    def http(self, environment: str) -> aiohttp.ClientSession:
        """The one HTTP session of an environment.

        :raises Problem: EnvironmentUnknown, PaperVenueUnknown, PaperAuthorityUnknown
        """
        if environment not in (PAPER, LIVE):
            raise EnvironmentUnknown(f"There is no environment {environment!r}.")
        if environment not in self._http:
            context = self._contexts[environment] = tls_context(environment, self._authority)
            if environment == PAPER:
                resolver = PaperResolver(*paper_address(self._paper))
                connector: aiohttp.TCPConnector = PaperConnector(
                    resolver=resolver, ssl=context, limit=CONNECTIONS, local_addr=own_address()
                )
            else:
                connector = aiohttp.TCPConnector(ssl=context, limit=CONNECTIONS, local_addr=own_address())
            # trust_env stays off: a proxy from the environment would carry paper orders elsewhere.
            self._http[environment] = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._http[environment]

    async def template(self, ccxt_id: str, environment: str) -> Any:
        """The ccxt.pro exchange with markets loaded that all accounts are cloned from; loaded once, even by many."""
        key = (ccxt_id, environment)
        loading = self._templates.get(key)
        if loading is None:
            loading = self._templates[key] = asyncio.ensure_future(self._load(ccxt_id, environment))
        try:
            return await asyncio.shield(loading)
        except BaseException:
            if loading.done():
                self._templates.pop(key, None)  # the next caller tries again
            raise

    async def account(
        self,
        ccxt_id: str,
        environment: str,
        *,
        api_key: str,
        secret: str,
        password: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        """A ccxt.pro exchange of one account: 0.02 ms and 8 KB instead of a load of markets. `release` it."""
        made = clone(await self.template(ccxt_id, environment), api_key=api_key, secret=secret, password=password)
        made.options.update(options or {})
        if self._carrier is not None:
            made.session = CarriedSession(http=made.session, carrier=self._carrier, environment=environment)
        self._made.append(made)
        return made

    async def release(self, exchange: Any) -> None:
        """Close an account's streams and let go of the session, which others use."""
        self._made = [one for one in self._made if one is not exchange]
        await _let_go(exchange)

    async def close(self) -> None:
        for exchange in self._made:
            await _let_go(exchange)
        self._made.clear()
        for loading in self._templates.values():
            if loading.done() and not loading.cancelled() and loading.exception() is None:
                await _let_go(loading.result())
            else:
                loading.cancel()
                await asyncio.gather(loading, return_exceptions=True)
        self._templates.clear()
        for session in self._http.values():
            await session.close()
        if self._http:
            await asyncio.sleep(0)  # aiohttp closes its transports in the next turn of the loop
        self._http.clear()

    async def _load(self, ccxt_id: str, environment: str) -> Any:
        known = next((venue.ccxt_options for venue in VENUES.values() if venue.ccxt_id == ccxt_id), {})
        session = self.http(environment)
        kind = exchange_class(ccxt_id)
        if self._gate is not None:
            kind = _booked(kind, self._gate, environment)
        made = kind({"session": session, "enableRateLimit": False, "options": dict(known), "timeout": 10_000})
        # Without this every instance builds a TLS context of its own: 13 ms and 700 KB each.
        made.ssl_context = self._contexts[environment]
        made.timeout_on_exit = 0
        made.streaming = {**made.streaming, "keepAlive": PONG_MS}
        try:
            await made.load_markets()
        except BaseException:
            await _let_go(made)
            raise
        return made


def _booked(kind: Any, gate: Gate, environment: str) -> Any:
    """The ccxt class with every REST request booked at the gate, by ccxt's own table of costs."""
    from ccxt.base.errors import DDoSProtection

    exchanges = {venue.ccxt_id: venue.exchange for venue in VENUES.values()}

    class Booked(kind):  # type: ignore[misc]
        async def fetch2(
            self,
            path: Any,
            api: Any = "public",
            method: str = "GET",
            params: Any = {},  # noqa: B006 - as ccxt has it; nothing is written into it
            config: Any = {},  # noqa: B006
        ) -> Any:
            name = api if isinstance(api, str) else api[0]
            cost = self.calculate_rate_limiter_cost(api, method, path, params, config)
            found = weight_of(api=name, path=str(path), cost=cost)
            if found is None or self.id not in exchanges:
                return await super().fetch2(path, api, method, params, config)
            market, weight = found
            where = {"environment": environment, "exchange": exchanges[self.id], "market": market}
            await gate.admit(**where, weight=weight)
            try:
                return await super().fetch2(path, api, method, params, config)
            except DDoSProtection:
                await gate.refused(**where, headers=self.last_response_headers or {})
                raise

    Booked.__name__ = kind.__name__
    return Booked


def clone(template: Any, *, api_key: str, secret: str, password: str | None = None) -> Any:
    """A shallow copy with credentials and mutable state of its own; markets and session stay shared."""
    from ccxt.async_support.base.throttler import Throttler

    made = copy.copy(template)
    made.apiKey, made.secret = api_key, secret
    if password is not None:
        made.password = password
    made.options = copy.deepcopy(template.options)
    made.tokenBucket = dict(template.tokenBucket)
    made.throttler = Throttler(made.tokenBucket, template.asyncio_loop)
    made.own_session = False
    made.clients, made.ws_dial_backoff = {}, {}
    made.orders = made.myTrades = made.positions = None
    made.balance, made.orderbooks, made.tickers, made.bidsasks = {}, {}, {}, {}
    made.trades, made.ohlcvs = {}, {}
    return made


async def _let_go(exchange: Any) -> None:
    if exchange.clients:
        await exchange.close_ws_clients()
    # Not exchange.close(): that sleeps, and a clone whose session is still set warns when it is collected.
    exchange.session = None
    exchange.closed_by_user = True
