"""One nilDB node over HTTP: every request within one deadline, every answer bounded, every failure typed.

The node's public key is configured and not asked for: a token is for that key alone, so an impostor on the way gets one
that no real node takes.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from citadel.vaults.nildb import nuc
from citadel.vaults.provider import ProviderDenied, ProviderUnavailable, check_address

MAX_BODY = 256 << 10
TIMEOUT = 5.0


class NodeConfused(ProviderUnavailable):
    """A node answers what is no answer. Look at the node; it counts as away meanwhile."""

    code = "node_confused"


class NodeClient:
    """The requests that the provider makes of one node. Knows nothing of shares. May be used by several threads."""

    def __init__(
        self,
        *,
        number: int,
        url: str,
        public_key: bytes,
        signer: nuc.NucSigner,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.time,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """:raises ValueError: the address is neither https nor of this machine, or the key is none"""
        parts = urlsplit(check_address(url))
        self.number = number
        self.did = nuc.did_key(public_key)
        self._tls = (context or ssl.create_default_context()) if parts.scheme == "https" else None
        self._host, self._port = str(parts.hostname), parts.port or (443 if self._tls else 80)
        self._base = parts.path
        self._signer, self._timeout, self._clock = signer, timeout, clock

    def __repr__(self) -> str:
        return f"NodeClient({self.number})"

    def register(self, *, name: str) -> None:
        """Make ourselves known as a builder. Once for each node."""
        body = {"did": self._signer.did, "name": name}
        self._ask("POST", "/v1/builders/register", command=nuc.CREATE_BUILDER, body=body)

    def collections(self) -> list[str] | None:
        """Our collections' ids; None while the node does not know us."""
        try:
            answer = self._ask("GET", "/v1/builders/me", command=nuc.READ_BUILDER)
        except _Unauthorized:
            return None
        return [str(one) for one in self._part(self._part(answer, "data", dict), "collections", list)]

    def create_collection(self, *, collection: str, name: str, schema: dict[str, Any]) -> None:
        """Make a collection of documents that are ours alone."""
        body = {"_id": collection, "type": "standard", "name": name, "schema": schema}
        self._ask("POST", "/v1/collections", command=nuc.CREATE_COLLECTION, body=body)

    def create(self, *, collection: str, document: dict[str, Any]) -> None:
        """Store one document.

        :raises ProviderDenied: the node does not take it
        """
        body = {"collection": collection, "data": [document]}
        answer = self._ask("POST", "/v1/data/standard", command=nuc.CREATE_DATA, body=body)
        if self._part(self._part(answer, "data", dict), "created", list) != [document["_id"]]:
            raise ProviderDenied(f"node {self.number} did not store the document")

    def find(self, *, collection: str, where: dict[str, Any]) -> list[dict[str, Any]]:
        """The documents that match, at most a page of them."""
        body = {"collection": collection, "filter": where}
        answer = self._ask("POST", "/v1/data/find", command=nuc.READ_DATA, body=body)
        found: list[dict[str, Any]] = self._part(answer, "data", list)
        if not all(isinstance(one, dict) for one in found):
            raise NodeConfused(f"node {self.number} answers no documents")
        return found

    def delete(self, *, collection: str, where: dict[str, Any]) -> None:
        """Delete the documents that match. A filter is required."""
        body = {"collection": collection, "filter": where}
        self._ask("POST", "/v1/data/delete", command=nuc.DELETE_DATA, body=body)

    def _part(self, answer: Any, name: str, kind: type) -> Any:
        part = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(part, kind):
            raise NodeConfused(f"node {self.number} answers without {name}")
        return part

    def _ask(self, method: str, path: str, *, command: str, body: dict[str, Any] | None = None) -> Any:
        status, kind, text = self._send(method, path, command, body)
        if 200 <= status < 300:
            return self._parse(kind, text)
        if status >= 500 or status in (408, 429):
            raise ProviderUnavailable(f"node {self.number} answers {status}")
        refused = _Unauthorized if status == 401 else ProviderDenied
        raise refused(f"node {self.number} refuses {command} with {status}")

    def _send(self, method: str, path: str, command: str, body: dict[str, Any] | None) -> tuple[int, str, bytes]:
        token = nuc.invocation(signer=self._signer, audience=self.did, command=command, now=self._clock())
        # Connection: close, because a request is made every quarter of an hour and a kept connection would be stale.
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = _Connection(self._host, self._port, tls=self._tls, deadline=time.monotonic() + self._timeout)
        try:
            connection.request(method, self._base + path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read(MAX_BODY + 1)
        except (OSError, http.client.HTTPException):
            # Neither the exception nor its cause is told: http.client quotes lines that a node chose.
            raise ProviderUnavailable(f"node {self.number} is not reached") from None
        finally:
            connection.close()
        if len(text) > MAX_BODY:
            raise NodeConfused(f"node {self.number} answers more than {MAX_BODY} bytes")
        return answer.status, answer.headers.get_content_type(), text

    def _parse(self, kind: str, text: bytes) -> Any:
        if kind != "application/json":
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise NodeConfused(f"node {self.number} answers no JSON") from None


class _Unauthorized(ProviderDenied):
    __doc__ = ProviderDenied.__doc__


class _Connection(http.client.HTTPConnection):
    """One request within one deadline: a node that sends a byte a second is as late as one that sends none."""

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None, deadline: float) -> None:
        super().__init__(host, port)
        self._tls, self._deadline = tls, deadline

    def connect(self) -> None:
        sock = socket.create_connection((self.host, self.port), timeout=_left(self._deadline))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock.settimeout(_left(self._deadline))
                sock = self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
        self.sock = _TimedSocket(sock, self._deadline)


class _TimedSocket:
    """As much of a socket as http.client uses, each of whose calls has only the time that is left."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        self._sock.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
