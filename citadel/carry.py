"""Requests that ccxt made with a decoy, signed and sent by the vault itself: the signed form never comes through here.

`CarriedSession` stands where ccxt expects its HTTP session. A request that bears a promise goes to the signer with its
method, path and fields, is looked at by the same rules as any other, and leaves through the egress. Everything else
goes over the ordinary session.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from citadel.bearing import BEARS, Bearing
from citadel.client import UNSENT, CarriedRequest, Chunk, ChunkSender, Result, Row, SignerRefused, SignerUnavailable
from citadel.decoys import Decoys
from citadel.domain.policy import HOSTS

FENCE_MS, TIMEOUT_MS = 3_000, 10_000

_MARKETS = {host: place for place, host in HOSTS.items()}
_SIGNATURE = "&signature="
_AWAY = frozenset({b"signer_unavailable", b"egress_unavailable", b"no_route"})
_SILENT = frozenset({b"too_late", b"connect_failed", b"queue_full", b"pool_closed"})


class VenueSilent(TimeoutError):
    """The venue did not answer what was asked. Ask again."""


class Carrier:
    """This process's way for requests that only the vault may send. Belongs to one event loop.

    :param address: the address of ours they leave from; empty: the first there is
    """

    def __init__(self, *, decoys: Decoys, sender: ChunkSender, address: str = "") -> None:
        self._decoys, self._sender, self._address = decoys, sender, address
        self.carried = 0

    async def carry(self, *, environment: str, method: str, url: str, body: str) -> CarriedAnswer | None:
        """The venue's answer; None where the request bears no promise.

        :raises SignerRefused: the rules do not allow the request, or the account is not open
        :raises SignerUnavailable: the vault's processes do not answer
        :raises VenueSilent: the venue does not
        """
        parts = urlsplit(url)
        payload, found, placeholder = (body or parts.query).rpartition(_SIGNATURE)
        promise = self._decoys.promise(placeholder) if found else None
        if promise is None:
            return None
        place = _MARKETS.get(parts.hostname or "")
        if place is None or promise.payload != payload.encode() or parts.scheme != "https":
            raise SignerRefused(code="request_not_allowed")
        result = (
            await self._sender.send(
                Chunk(
                    venue=place[0],
                    market=place[1],
                    env=environment,
                    method=method,
                    path=parts.path,
                    head=promise.payload,
                    rows=[Row(0, promise.account, b"")],
                    not_after_ms=int(time.time() * 1000) + FENCE_MS,
                    timeout_ms=TIMEOUT_MS,
                    address=self._address,
                )
            )
        )[0]
        return self._answer(result)

    async def carry_bearing(
        self, bearing: Bearing, *, environment: str, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> CarriedAnswer:
        """The venue's answer to a request that the vault completes.

        :raises SignerRefused, SignerUnavailable, VenueSilent: as `carry` does
        """
        request = CarriedRequest(
            account=bearing.account,
            env=environment,
            method=method,
            url=url,
            headers=list(headers.items()),
            body=body,
            uses=bearing.uses,
            decoy=bearing.decoy,
            not_after_ms=int(time.time() * 1000) + FENCE_MS,
            timeout_ms=TIMEOUT_MS,
            address=self._address,
        )
        return self._answer(await self._sender.carry(request))

    def borne(self, token: str) -> Bearing:
        """What a request bears, by its token.

        :raises SignerRefused: nobody knows it any more
        """
        bearing = self._decoys.bearings.take(token)
        if bearing is None:
            raise SignerRefused(code="request_forgotten")
        return bearing

    def _answer(self, result: Result) -> CarriedAnswer:
        self.carried += 1
        if result.status > 0:
            return CarriedAnswer(result.status, result.body, result.headers)
        if result.status == UNSENT and result.body in _AWAY:
            raise SignerUnavailable
        if result.status == UNSENT and result.body not in _SILENT:
            raise SignerRefused(code=result.body.decode("ascii", "replace"))
        raise VenueSilent


class CarriedAnswer:
    """As much of an HTTP response as ccxt reads."""

    def __init__(self, status: int, body: bytes, headers: Any) -> None:
        self.status, self.reason, self._body = status, "", body
        self.headers = dict(headers)

    async def text(self, **_: Any) -> str:
        """The body."""
        return self._body.decode("utf-8", "replace")


class _Request:
    """What ``session.get(...)`` returns: an asynchronous context that gives the response."""

    def __init__(self, session: CarriedSession, method: str, url: Any, options: dict[str, Any]) -> None:
        self._session, self._method, self._url, self._options = session, method, url, options
        self._plain: Any = None

    async def __aenter__(self) -> Any:
        data = self._options.get("data")
        body = data if isinstance(data, bytes) else b""
        carrier, environment = self._session.carrier, self._session.environment
        headers = dict(self._options.get("headers") or {})
        token = headers.pop(BEARS, None)
        if token is not None:
            return await carrier.carry_bearing(
                carrier.borne(token),
                environment=environment,
                method=self._method,
                url=str(self._url),
                headers=headers,
                body=body,
            )
        answer = await carrier.carry(
            environment=environment, method=self._method, url=str(self._url), body=body.decode("utf-8", "replace")
        )
        if answer is not None:
            return answer
        self._plain = getattr(self._session.http, self._method.lower())(self._url, **self._options)
        return await self._plain.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._plain is not None:
            await self._plain.__aexit__(kind, error, trace)


class CarriedSession:
    """An aiohttp session but for requests that bear a promise."""

    def __init__(self, *, http: Any, carrier: Carrier, environment: str) -> None:
        self.http, self.carrier, self.environment = http, carrier, environment

    def get(self, url: Any, **options: Any) -> _Request:
        return _Request(self, "GET", url, options)

    def post(self, url: Any, **options: Any) -> _Request:
        return _Request(self, "POST", url, options)

    def put(self, url: Any, **options: Any) -> _Request:
        return _Request(self, "PUT", url, options)

    def patch(self, url: Any, **options: Any) -> _Request:
        return _Request(self, "PATCH", url, options)

    def delete(self, url: Any, **options: Any) -> _Request:
        return _Request(self, "DELETE", url, options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.http, name)
