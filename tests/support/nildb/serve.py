"""Nodes on the network of this machine, three to a cluster, that can be down, slow, or beside themselves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.nildb.node import Answer, Node, Refusal, now


class ServedNode(Node):
    """A node at `url`. The attributes are its switches, and what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        """Connections are taken and closed without a word."""
        self.awake = threading.Event()
        """Cleared: requests are kept waiting until it is set again."""
        self.awake.set()
        self.body: bytes | None = None
        """Sent in place of the answer's body."""
        self.write: Callable[[Any], None] | None = None
        """Writes to the connection in place of any answer."""
        self.status: int | None = None
        """Answered in place of anything else."""
        self.tokens: list[str] = []
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Off the network for good."""
        self.awake.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Cluster:
    """Three nodes, each with a key of its own."""

    def __init__(self) -> None:
        self.nodes = [ServedNode() for _ in range(3)]

    def __getitem__(self, number: int) -> ServedNode:
        """Node 1, 2 or 3."""
        return self.nodes[number - 1]

    def stop(self) -> None:
        """All of them."""
        for node in self.nodes:
            node.stop()


def _handler(node: ServedNode) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            node.requests.append(f"{self.command} {self.path}")
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            node.awake.wait()
            try:
                if node.down or node.write is not None:
                    self.close_connection = True
                    if not node.down:
                        node.write(self.connection)
                    return
                self._send(*self._answer(text))
            except OSError:
                self.close_connection = True  # whoever asked has had enough, which some tests are about

        def _answer(self, text: bytes) -> Answer:
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            if scheme.lower() == "bearer":
                node.tokens.append(token)
            if node.status is not None:
                return node.status, _errors("told to")
            try:
                body = json.loads(text) if text else None
                return node.answer(self.command, self.path.partition("?")[0], token, body)
            except Refusal as refusal:
                if not refusal.errors:  # the check of capabilities answers in plain words
                    return refusal.status, "Unauthorized" if refusal.status == 401 else "Forbidden"
                return refusal.status, _errors(*refusal.errors)
            except ValueError:
                return 400, _errors("Malformed JSON")

        def _send(self, status: int, answer: Any) -> None:
            text = isinstance(answer, str)
            body = node.body if node.body is not None else (answer if text else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=UTF-8" if text else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    return Handler


def _errors(*texts: str) -> dict[str, Any]:
    return {"ts": now(), "errors": list(texts)}
