"""What the signer and the egress need to be processes: a private socket, known callers, no core dump, one log line."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import resource
import socket
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path

_PR_SET_DUMPABLE = 4
_PEERCRED = struct.Struct("3i")


class AlreadyRunning(Exception):
    """Another process of this name holds the run directory. Stop it first, or give this one a directory of its own."""

    code = "already_running"


class KeyMissing(Exception):
    """No usable key. Set the variable, or the same one with _FILE behind it, to 32 bytes in hex."""

    code = "key_missing"


def read_key(name: str, env: Mapping[str, str] = os.environ) -> bytes:
    """The 32 bytes in the environment variable, or in the file that the variable with _FILE behind it names.

    :raises KeyMissing: neither is there, or it is not 64 hex digits; the text is not repeated in the error
    """
    text = env.get(name, "")
    if not text and env.get(f"{name}_FILE"):
        try:
            text = Path(env[f"{name}_FILE"]).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            raise KeyMissing(f"the file of {name} cannot be read") from None
    if re.fullmatch(r"[0-9A-Fa-f]{64}\s*", text) is None:
        raise KeyMissing(f"{name} is not 64 hex digits")
    return bytes.fromhex(text)


def run_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The directory of the sockets, $OBSCURA_RUN. Made private (0700) where it does not exist yet.

    :raises KeyError: the variable is not set
    """
    path = Path(env["OBSCURA_RUN"])
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def hold(directory: Path, name: str, *, patience: float = 1.0) -> int:
    """Take the right to be `name` in this directory; the kernel gives it back when the process ends, however it ends.

    :returns: the file descriptor that holds it
    :raises AlreadyRunning: somebody else has it and keeps it for `patience` seconds
    """
    fd = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_up = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                os.close(fd)
                raise AlreadyRunning(name) from None
            time.sleep(0.05)
        else:
            return fd


def listen(path: Path, *, group: int | None = None) -> socket.socket:
    """A listening unix socket with mode 0600, non-blocking. A stale file of a process that was killed is replaced.

    :param group: may connect as well, and pass through the directory (0710); setting it takes root
    """
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        server.bind(str(path))
    finally:
        os.umask(before)
    if group is not None:
        os.chown(path, -1, group)
        path.chmod(0o660)
        os.chown(path.parent, -1, group)
        path.parent.chmod(0o710)
    server.listen(256)
    server.setblocking(False)
    return server


def peer_uid(connection: socket.socket) -> int:
    """The uid the kernel vouches for at the other end."""
    _pid, uid, _gid = _PEERCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))
    return int(uid)


def number(name: str, env: Mapping[str, str] = os.environ) -> int | None:
    """The number in an environment variable, None where it is not set.

    :raises ValueError: it is none
    """
    text = env.get(name, "")
    return int(text) if text else None


def allowed_uids(variable: str, env: Mapping[str, str] = os.environ) -> frozenset[int]:
    """Our own uid and those listed, comma separated, in the environment variable."""
    listed = {int(text) for text in env.get(variable, "").split(",") if text.strip()}
    return frozenset({os.getuid(), *listed})


def harden() -> None:
    """No core dump, and no reading of this process's memory by others of the same uid (they get EACCES).

    Call it after any change of uid, which would undo it. Root still reads everything.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the process could not be made undumpable")


class Log:
    """Structured lines on standard output: one JSON object each, facts only, never what a frame contained."""

    def __init__(self, process: str) -> None:
        self.process = process
        self.lost = 0

    def line(self, event: str, **facts: object) -> None:
        record = {"at": round(time.time(), 3), "process": self.process, "event": event, **facts}
        try:
            sys.stdout.write(json.dumps(record, separators=(",", ":")) + "\n")
            sys.stdout.flush()
        except OSError:
            self.lost += 1  # nobody reads any more; signing goes on, and `stats` tells
