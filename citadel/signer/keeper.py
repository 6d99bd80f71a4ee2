"""The way to the key provider: in this process where it only computes, in one of its own where it asks others.

The signer has no network, and waits for nobody. A provider that has to ask runs in a process that was forked before the
signer's sandbox closed and ends with it. What it is asked is answered with KeyPending until its answer has come.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from citadel.attestation.required import NotAttested
from citadel.domain.frames import Message, Splitter, pack, unpack
from citadel.processes import harden
from citadel.signer.tenant_keys import KeyPending
from citadel.vaults import provider as providers
from citadel.vaults.provider import ErasableProvider, Generations, ProviderError, ProviderUnavailable

_PR_SET_PDEATHSIG = 1
_MOST_ANSWERS = 1_000

_ERRORS = {
    one.code: one
    for one in (
        NotAttested, providers.ProviderUnavailable, providers.QuorumMissing, providers.ProviderDenied,
        providers.WrapRefused, providers.WrapUnknown, providers.StateLost, providers.GenerationsMany,
    )
}  # fmt: skip


OFF: Message = {"mode": "off"}
"""What is said of attestation where it is not required."""


class Here:
    """A provider that answers at once."""

    def __init__(self, provider: ErasableProvider) -> None:
        self._provider = provider

    def wrap(self, *, key: bytes, aad: bytes, ask: tuple[int, int]) -> str:
        return self._provider.wrap(key=key, aad=aad)

    def unwrap(self, *, wrapped: str, aad: bytes) -> bytes:
        return self._provider.unwrap(wrapped=wrapped, aad=aad)

    def generations(self, *, ask: bytes) -> Generations:
        return self._provider.generations()

    def rotate(self, *, after: int, ask: bytes) -> Generations:
        return _rotated(self._provider, after)

    def destroy(self, *, below: int, ask: bytes) -> Generations:
        return self._provider.destroy(below=below)


class Beside:
    """A provider in a process of its own. Make it before the sandbox closes; `attend` to have its answers read.

    :param make: makes the provider, in the other process
    """

    def __init__(self, make: Callable[[], ErasableProvider]) -> None:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _serve(theirs, make, parent)
        theirs.close()
        self.pid = pid
        self._socket = ours
        self._splitter = Splitter()
        self._asked: set[bytes] = set()
        self._answers: OrderedDict[bytes, Message] = OrderedDict()
        self.statement = OFF
        """What was last said of the machine's attestation."""

    def attend(self, watch: Callable[[int, Callable[[], None]], None]) -> None:
        """Have the answers read by a loop that watches file descriptors."""
        watch(self._socket.fileno(), self._read)

    def close(self) -> None:
        """Let the other process end."""
        self._socket.close()
        os.waitpid(self.pid, 0)

    def wrap(self, *, key: bytes, aad: bytes, ask: tuple[int, int]) -> str:
        return str(self._ask("wrap", key=key, aad=aad)["wrapped"])

    def unwrap(self, *, wrapped: str, aad: bytes) -> bytes:
        return bytes(self._ask("unwrap", wrapped=wrapped, aad=aad)["key"])

    def generations(self, *, ask: bytes) -> Generations:
        return _read(self._ask("generations", ask=ask))

    def rotate(self, *, after: int, ask: bytes) -> Generations:
        found = _read(self._ask("rotate", after=after, ask=ask))
        self._answers.clear()  # what was wrapped before it is not given out any more
        return found

    def destroy(self, *, below: int, ask: bytes) -> Generations:
        found = _read(self._ask("destroy", below=below, ask=ask))
        self._answers.clear()
        return found

    def _ask(self, op: str, **fields: bytes | str | int) -> Message:
        frame = pack({"op": op, **fields})
        ident = sha256(frame).digest()
        answer = self._answers.pop(ident, None)
        if answer is None:
            if ident not in self._asked:
                self._asked.add(ident)
                self._send(pack({"op": op, "ident": ident, **fields}))
            raise KeyPending
        if "code" in answer:
            raise _ERRORS.get(str(answer["code"]), ProviderError)
        return answer

    def _send(self, frame: bytes) -> None:
        try:
            self._socket.sendall(frame)
        except OSError:
            raise ProviderUnavailable from None

    def _read(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            os.kill(os.getpid(), signal.SIGTERM)  # without its keeper it opens nothing: whoever started it starts both
            return
        for body in self._splitter.feed(data):
            answer = unpack(body)
            self.statement = answer.pop("statement")
            self._asked.discard(answer["ident"])
            self._answers[answer["ident"]] = answer
            while len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)


def _rotated(provider: ErasableProvider, after: int) -> Generations:
    """A version that follows exactly this one; whoever asks twice gets one."""
    found = provider.generations()
    if max(found.made, default=0) == after:
        provider.rotate()
        found = provider.generations()
    return found


def _written(found: Generations) -> Message:
    return {"made": list(found.made.items()), "owed": list(found.owed)}


def _read(answer: Message) -> Generations:
    return Generations(dict(answer["made"]), tuple(answer["owed"]))


_OF_GENERATIONS: dict[str, Callable[[ErasableProvider, Message], Message]] = {
    "generations": lambda provider, _: _written(provider.generations()),
    "rotate": lambda provider, message: _written(_rotated(provider, message["after"])),
    "destroy": lambda provider, message: _written(provider.destroy(below=message["below"])),
}


def _serve(pipe: socket.socket, make: Callable[[], ErasableProvider], parent: int) -> None:
    """The other process: one question after the other, until the signer is gone."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        harden()
        if os.getppid() == parent:
            provider = make()
            splitter = Splitter()
            while data := pipe.recv(1 << 16):
                for body in splitter.feed(data):
                    answer = _answered(provider, unpack(body))
                    pipe.sendall(pack({**answer, "statement": getattr(provider, "statement", OFF)}))
            code = 0
    finally:
        with contextlib.suppress(OSError):
            pipe.close()
        os._exit(code)


def _answered(provider: ErasableProvider, message: Message) -> Message:
    ident = message["ident"]
    try:
        if message["op"] == "wrap":
            return {"ident": ident, "wrapped": provider.wrap(key=message["key"], aad=message["aad"])}
        if message["op"] in _OF_GENERATIONS:
            return {"ident": ident, **_OF_GENERATIONS[message["op"]](provider, message)}
        return {"ident": ident, "key": provider.unwrap(wrapped=message["wrapped"], aad=message["aad"])}
    except ProviderError as error:
        return {"ident": ident, "code": error.code}
    except Exception:  # noqa: BLE001 - a fault of a provider must not end it; nothing of its words may get out
        return {"ident": ident, "code": ProviderUnavailable.code}
