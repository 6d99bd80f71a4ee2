"""One question over one TLS connection: bounded in bytes and in time, and it tells whose key was at the other end."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Away(Exception):
    """The other side does not answer in time, or not in HTTP over TLS."""


class TooLong(Exception):
    """The answer has more bytes than were asked for."""


class Answer(NamedTuple):
    status: int
    body: bytes


class Line:
    """A connection that is opened once. `spki` is the DER of the peer's public key on exactly this connection."""

    def __init__(self, *, host: str, port: int, tls: ssl.SSLContext, timeout: float) -> None:
        """Connect.

        :param timeout: seconds to connect, and from there to the end of the last answer
        :raises Away: nobody there, or the handshake failed
        """
        self._http = http.client.HTTPSConnection(host, port, context=tls)
        # http.client would open another connection by itself when this one ends, and that may be another peer's.
        self._http.auto_open = 0
        # A socket's timeout starts again with each byte, so that a peer which drips could hold the caller for days.
        self._end = threading.Timer(timeout, self._cut)
        self._end.daemon = True
        self._line: ssl.SSLSocket | None = None
        try:
            plain = socket.create_connection((host, port), timeout=timeout)
            self._line = tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
            self._http.sock = self._line
            self._end.start()
            self._line.do_handshake()
            certificate = x509.load_der_x509_certificate(self._line.getpeercert(binary_form=True) or b"")
            self.spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except (OSError, ValueError, UnsupportedAlgorithm) as failed:
            self.close()
            raise Away(str(failed) or type(failed).__name__) from None

    def get(self, path: str, *, limit: int) -> Answer:
        """The answer to one GET.

        :raises Away: the line broke, time is up, or this is not HTTP
        :raises TooLong: more than `limit` bytes
        """
        try:
            self._http.request("GET", path, headers={"Accept": "*/*", "Connection": "close"})
            answer = self._http.getresponse()
            body = answer.read(limit + 1)
            while len(body) <= limit and (more := answer.read(limit + 1 - len(body))):
                body += more
        except (OSError, http.client.HTTPException) as failed:
            raise Away(str(failed) or type(failed).__name__) from None
        if len(body) > limit:
            raise TooLong(f"more than {limit} bytes")
        if answer.length:
            raise Away("the answer ended early")
        return Answer(answer.status, body)

    def close(self) -> None:
        self._end.cancel()
        self._http.close()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _cut(self) -> None:
        if self._line is not None:
            try:
                # Not the TLS socket's own method: that one takes the encryption off under the reader's hands.
                socket.socket.shutdown(self._line, socket.SHUT_RDWR)
            except OSError:
                return  # it ended by itself
