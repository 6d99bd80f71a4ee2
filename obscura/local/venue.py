"""The paper venue's control port: open accounts, trade as a lead does, set faults, read the venue's own record."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from obscura.local.laws import Execution

LIMIT_S = 30.0
AWAY_LIMIT_S = 30.0
MOVES_MONEY = frozenset({"/trade", "/deposit"})


class VenueRefused(Exception):
    """The venue's control port did not do what was asked; the text is its own."""


class VenueAway(Exception):
    """The venue ended before it answered. Whether a trade happened is in its journal: ask when it is back."""


class Control:
    """A keep-alive connection to the control port. Safe to share between threads, one call at a time."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    def health(self) -> dict[str, Any]:
        return self._call("GET", "/health")

    def stats(self) -> dict[str, Any]:
        return self._call("GET", "/stats")

    def labels(self) -> dict[str, str]:
        """The label of every account by its key."""
        return {row["api_key"]: row["label"] for row in self._call("GET", "/accounts")}

    def open_accounts(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Each row: api_key, secret, label, spot and usdm balances as {asset: text}."""
        self._call("POST", "/accounts", {"accounts": [dict(row) for row in rows]})

    def trade(self, *, api_key: str, market: str, symbol: str, side: str, quantity: str, **more: Any) -> dict[str, Any]:
        """The account trades as through its owner's own app. The order as the venue answers it, with its trades."""
        asked = {"api_key": api_key, "market": market, "symbol": symbol, "side": side, "quantity": quantity, **more}
        return self._call("POST", "/trade", asked)

    def order(self, *, api_key: str, market: str, client_id: str) -> dict[str, Any] | None:
        """What came of a trade whose answer was lost, as `trade` would have answered; None where it did not happen."""
        found = self._call("GET", f"/order?api_key={api_key}&market={market}&client_id={client_id}")
        answer: dict[str, Any] | None = found["order"]
        return answer

    def wait(self, *, limit: float = AWAY_LIMIT_S) -> None:
        """Until the venue answers.

        :raises VenueAway: it did not in time
        """
        end = time.monotonic() + limit
        while True:
            try:
                self.health()
                return
            except VenueAway:
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def faults(self, **wanted: Any) -> None:
        self._call("POST", "/faults", wanted)

    def no_faults(self) -> None:
        self._call("DELETE", "/faults")

    def drop(self, api_key: str | None = None) -> int:
        """Cut the streams of a key, or every connection of a client. Returns how many."""
        return int(self._call("POST", "/drop", {"api_key": api_key} if api_key else {})["dropped"])

    def executions(self, label: str) -> dict[str, dict[str, Any]]:
        """The venue's record of the accounts whose label begins with this, by client order id."""
        return self._call("GET", f"/executions?label={label}")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        with self._lock:
            try:
                return self._once(method, path, body)
            except VenueAway:
                # A connection that was kept open has gone. What moves money may have happened, the rest is repeated.
                if path in MOVES_MONEY:
                    raise
                return self._once(method, path, body)

    def _once(self, method: str, path: str, body: Any) -> Any:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(*self._address, timeout=LIMIT_S)
        data = orjson.dumps(body) if body is not None else b""
        try:
            self._connection.request(method, path, body=data, headers={"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            text = answer.read()
        except (http.client.HTTPException, ConnectionError) as error:
            self.close()
            raise VenueAway(f"{method} {path}: {type(error).__name__}") from error
        if answer.status != 200:
            raise VenueRefused(text.decode("utf-8", "replace")[:200])
        return orjson.loads(text)


def executions(rows: Mapping[str, Mapping[str, Any]], *, since_us: int) -> dict[str, Execution]:
    """The venue's record as the laws read it, of this run alone: what executed at or after `since_us`.

    An id that two accounts used counts as one id: that, too, is an execution too many.
    """
    found: dict[str, Execution] = {}
    for name, row in rows.items():
        client_id = name.partition("@")[0]
        times = tuple(sorted(at for at in row["times"] if at >= since_us))
        if times:
            before = found.get(client_id, Execution(client_id, 0, ()))
            found[client_id] = Execution(client_id, before.count + len(times), (*before.times, *times))
    return found
