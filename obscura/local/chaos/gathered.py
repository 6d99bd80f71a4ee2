"""What a stack shows and keeps, as bytes to look through: database, Redis, messages, files, pages, answers, reports."""

from __future__ import annotations

import http.client
import http.cookies
import re
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import redis

from obscura.local import embedded
from obscura.local.chaos.needles import PART

_TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')


def database(var: Path) -> bytes:
    """Every row of every schema, as pg_dump writes them; bytes are in hex there."""
    postgres = embedded.servers(var)[0]
    command = [str(postgres.bin / "pg_dump"), "--dbname", postgres.url, "--no-owner", "--no-privileges"]
    done = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout


def every_key(client: Any) -> Iterator[tuple[str, bytes]]:
    """Each key of a Redis: its name and all that it holds, in the server's own dump and member by member."""
    for key in client.scan_iter(count=1000):
        kind = client.type(key).decode()
        try:
            yield key.decode("latin-1"), b"\n".join([key, client.dump(key) or b"", *_members(client, key, kind)])
        except redis.ResponseError:
            continue  # it ended, and began anew as another kind, between two questions


def _members(client: Any, key: bytes, kind: str) -> list[bytes]:
    match kind:
        case "string":
            return [client.get(key) or b""]
        case "list":
            return list(client.lrange(key, 0, -1))
        case "set":
            return list(client.smembers(key))
        case "hash":
            return [part for pair in client.hgetall(key).items() for part in pair]
        case "zset":
            return list(client.zrange(key, 0, -1))
        case "stream":
            return [part for _, row in client.xrange(key) for pair in row.items() for part in pair]
    return []


class Monitor:
    """Hears every command that a Redis is given: messages of Celery and of channels among them.

    :param url: of the server
    """

    def __init__(self, url: str) -> None:
        where = url.partition("://")[2].partition("/")[0]
        host, _, port = where.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=5)
        self._socket.sendall(b"MONITOR\r\n")
        self._socket.settimeout(0.2)
        self._heard: list[bytes] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="monitor", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                data = self._socket.recv(1 << 18)
            except TimeoutError:
                continue
            if not data:
                return
            self._heard.append(data)

    def end(self) -> bytes:
        """All that was heard."""
        self._over.set()
        self._thread.join()
        self._socket.close()
        return b"".join(self._heard)


def files(folder: Path, *, but: set[Path]) -> Iterator[tuple[Path, Path]]:
    """Every file of a state folder but those in `but` and below, which may hold secrets; each with its short name."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not but & {path, *path.parents}:
            yield path, path.relative_to(folder)


def parts_of(path: Path, *, overlap: int) -> Iterator[bytes]:
    """A file in parts as `Needles.count` takes them."""
    with path.open("rb") as file:
        data = file.read(PART + overlap)
        while data:
            yield data
            data = data[PART:] + file.read(PART + overlap - len(data[PART:]))


class Answer(NamedTuple):
    """A page or an answer, with its headers."""

    status: int
    headers: bytes
    body: bytes


class Browser:
    """Talks to the web process at one of our hosts, with cookies, as a browser would.

    :param session: the cookie of somebody who is signed in already, as name=value
    """

    def __init__(self, port: int, host: str, session: str = "") -> None:
        self._port, self._host = port, host
        name, _, value = session.partition("=")
        self._cookies = {name: value} if name else {}

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, b"", headers)

    def post(self, path: str, fields: Mapping[str, str], *, form_at: str = "") -> Answer:
        """Send a form that was got from a page before.

        :param form_at: the page; by default the one it is sent to
        """
        token = _TOKEN.search(self.get(form_at or path).body)
        body = urlencode({"csrfmiddlewaretoken": token[1].decode() if token else "", **fields}).encode()
        return self._ask("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def send(self, path: str, body: bytes, **headers: str) -> Answer:
        """Send JSON."""
        return self._ask("POST", path, body, {"Content-Type": "application/json", **headers})

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        try:
            link.request(method, path, body=body, headers={"Host": f"{self._host}:{self._port}", **cookies, **headers})
            answer = link.getresponse()
            told = answer.headers.get_all("Set-Cookie") or []
            for morsel in (one for line in told for one in http.cookies.SimpleCookie(line).values()):
                self._cookies[morsel.key] = morsel.value
            return Answer(answer.status, bytes(answer.headers), answer.read())
        finally:
            link.close()


def expect(answer: Answer, status: int) -> Answer:
    """The answer, which has to be of this status: what was not taken, or not shown, cannot be looked for."""
    assert answer.status == status, f"{answer.status} instead of {status}: {answer.body[:200]!r}"
    return answer
