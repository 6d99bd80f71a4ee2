"""An account's private streams: the WebSocket API's subscriptions (spot) and listen-key sockets (USD-M)."""

from __future__ import annotations

from .frames import Socket
from .ledger import Account, Desk


class UserStream:
    """One subscription of one socket. A spot event is wrapped with its subscription id."""

    def __init__(self, account: Account, market: str, socket: Socket, subscription: int | None = None) -> None:
        self.account, self.market, self.socket, self.subscription = account, market, socket, subscription
        self._prefix = b'{"subscriptionId":%d,"event":' % subscription if subscription is not None else b""
        self._desk.streams[self] = None
        socket.on_close.append(self.leave)

    @property
    def _desk(self) -> Desk:
        return self.account.desk(self.market)

    def deliver(self, text: bytes) -> None:
        self.socket.send(self._prefix + text + b"}" if self._prefix else text)

    def leave(self) -> None:
        self._desk.streams.pop(self, None)
