"""A paper venue as a child process, and the plainest client for it."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support import warm

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Key:
    api_key: str
    secret: str
    label: str


class Venue:
    """One venue on free ports. `restart` starts it again on the same folder, on new ports."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder, self.more = folder, more
        self.ports: dict[str, int] = {}
        self.ready = ""
        self.process: warm.Process | None = None
        self.start()

    def start(self) -> None:
        address = "127.0.0.1:0"
        arguments = ["--http", address, "--tls", address, "--control", address, "--dir", str(self.folder), *self.more]
        reading, writing = os.pipe()
        # Its log goes to a file: a pipe that nobody reads would stop it one day.
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            self.process = warm.Process("trading.venues.paper", *arguments, env=environment, out=writing, err=log)
        os.close(writing)
        with os.fdopen(reading) as said:
            self.ready = said.readline()
        self.ports = {name: int(port) for name, port in re.findall(r"(http|tls|control)=(\d+)", self.ready)}
        assert self.ports, (self.folder.parent / f"{self.folder.name}.log").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal; its exit code."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(10)

    def restart(self, number: int = signal.SIGTERM) -> None:
        self.stop(number)
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def tls(self) -> str:
        return f"127.0.0.1:{self.ports['tls']}"

    @property
    def authority(self) -> Path:
        return self.folder / "tls" / "ca.pem"

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call of the control port; what it refuses is an AssertionError."""
        status, _, answer = self._send(
            "control", method, path, json.dumps(body).encode() if body is not None else b"", {}
        )
        assert status == 200, answer
        return answer

    def account(self, label: str = "ben", *, spot: dict | None = None, usdm: dict | None = None, **may: bool) -> Key:
        made = Key(uuid.uuid4().hex, uuid.uuid4().hex, label)
        body = {"api_key": made.api_key, "secret": made.secret, "label": label, **may}
        self.control("POST", "/accounts", body | {"spot": spot or {"USDT": "10000"}, "usdm": usdm or {"USDT": "10000"}})
        return made

    def price(self, symbol: str, price: str, **more: Any) -> None:
        self.control("POST", "/price", {"symbol": symbol, "price": price, **more})

    def trade(self, key: Key, **order: Any) -> Any:
        return self.control("POST", "/trade", {"api_key": key.api_key, **order})

    def executions(self, label: str) -> dict[str, Any]:
        return self.control("GET", f"/executions?label={label}")

    def get(self, path: str, **params: Any) -> Any:
        return self._send("http", "GET", path + ("?" + urlencode(params) if params else ""), b"", {})[2]

    def call(
        self, method: str, path: str, key: Key, *, timeout: float = 5, **params: Any
    ) -> tuple[int, http.client.HTTPMessage, Any]:
        """A signed request: (status, headers, JSON)."""
        params = {"timestamp": int(time.time() * 1000), "recvWindow": 5000} | params
        query = sign(urlencode(params), key.secret)
        headers = {"X-MBX-APIKEY": key.api_key, "Content-Type": "application/x-www-form-urlencoded"}
        if method == "POST":
            return self._send("http", method, path, query.encode(), headers, timeout)
        return self._send("http", method, f"{path}?{query}", b"", headers, timeout)

    def spot(self, key: Key, **order: Any) -> tuple[int, Any]:
        """Place a spot order; symbol BTCUSDT unless said otherwise."""
        status, _, answer = self.call("POST", "/api/v3/order", key, **({"symbol": "BTCUSDT"} | order))
        return status, answer

    def usdm(self, key: Key, **order: Any) -> tuple[int, Any]:
        """Place a USD-M order and get its result."""
        wanted = {"symbol": "BTCUSDT", "newOrderRespType": "RESULT"} | order
        status, _, answer = self.call("POST", "/fapi/v1/order", key, **wanted)
        return status, answer

    def balances(self, key: Key) -> dict[str, tuple[str, str]]:
        _, _, answer = self.call("GET", "/api/v3/account", key)
        return {row["asset"]: (row["free"], row["locked"]) for row in answer["balances"]}

    def _send(
        self, port: str, method: str, path: str, body: bytes, headers: dict[str, str], timeout: float = 5
    ) -> tuple[int, http.client.HTTPMessage, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=timeout)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, answer.headers, json.loads(text)
        finally:
            connection.close()


def sign(query: str, secret: str) -> str:
    return f"{query}&signature={hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()}"


def until(check: Callable[[], Any], seconds: float = 8) -> Any:
    """The first true value of `check`."""
    end = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return value


def data_folder() -> Path | None:
    """The recorded data, when it is at hand: OBSCURA_DATA, else ../shared/data beside the repository."""
    folder = Path(os.environ.get("OBSCURA_DATA") or ROOT.parent / "shared" / "data")
    return folder if (folder / "market").is_dir() else None
