"""Nodes on the network of this machine, three to a cluster, that can be down, slow, or beside themselves."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from typing import Any

from tests.support.loopback import Handler, Loopback
from tests.support.nildb.node import Answer, Node, Refusal, now


class ServedNode(Node):
    """A node at `url`. The attributes are its switches, and what it has seen."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
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
        self._loopback = Loopback(_handler(self), tls)
        self.url = self._loopback.url

    def stop(self) -> None:
        """Off the network for good."""
        self.awake.set()
        self._loopback.stop()


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


def _handler(node: ServedNode) -> type[Handler]:
    class NodeHandler(Handler):
        def _serve(self) -> None:
            node.requests.append(f"{self.command} {self.path}")
            text = self.read_body()
            node.awake.wait()
            if node.down or node.write is not None:
                self.close_connection = True
                if not node.down:
                    node.write(self.connection)
                return
            status, answer = self._answer(text)
            if isinstance(answer, str):
                kind, body = "text/plain; charset=UTF-8", answer.encode()
            else:
                kind, body = "application/json", json.dumps(answer).encode()
            self.send_body(status, kind, body if node.body is None else node.body)

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

        do_GET = do_POST = do_DELETE = _serve

    return NodeHandler


def _errors(*texts: str) -> dict[str, Any]:
    return {"ts": now(), "errors": list(texts)}
