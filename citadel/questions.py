"""Questions to the signer, asked and answered one at a time over a blocking connection."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from citadel.domain.frames import BadFrame, Message, pack, unpack
from obscura.core.errors import Problem

_LENGTH = struct.Struct("<I")


class SignerUnavailable(Problem):
    """The signer does not answer."""

    code, http_status, retryable = "signer_unavailable", 503, True
    remedy = "Try again in a moment. If it stays, look whether the signer runs and whether OBSCURA_RUN is the same."


class SignerRefused(Problem):
    """The signer refused; `code` says why."""

    code, http_status = "signer_refused", 422
    remedy = "Read the code: the request is not one the vault's policy allows, or the account is not open."


class OutOfReach(Exception):
    """A web process tried to talk to the vault. It asks a worker to: write it down, and nudge."""


def stay_away_from_web() -> None:
    """:raises OutOfReach: this is a web process ($OBSCURA_ROLE), which has no business at the vault's sockets

    Where web processes are users of their own the sockets refuse them as well; this is for where they are not.
    """
    if os.environ.get("OBSCURA_ROLE") == "web":
        raise OutOfReach


_OPEN_AT_A_TIME = 250
"""Accounts in one frame: opening takes the signer some 10 microseconds each, and orders wait meanwhile."""

KEY_PENDING, KEY_PAUSE_S, KEY_PATIENCE_S = "key_pending", 0.03, 8.0

WrappedKey = tuple[int, int, str]
"""A tenant's key as the provider wrapped it: tenant, version, text."""

Entry = tuple[int, bytes, Mapping[str, str]] | tuple[int, bytes, Mapping[str, str], Sequence[bytes]]
"""An account to open: tenant, 16 bytes of its UUID, envelopes by field; and the mandates of what trades on it."""


def parts(entries: Sequence[Entry]) -> list[list[list[Any]]]:
    """Entries as they travel, cut into frames of which none keeps the signer long."""
    shaped = [[tenant, account, dict(sealed), *map(list, more)] for tenant, account, sealed, *more in entries]
    return [shaped[at : at + _OPEN_AT_A_TIME] for at in range(0, len(shaped), _OPEN_AT_A_TIME)]


class Enrolled(NamedTuple):
    """What the signer made of a sealed credential.

    :param hint: the last four characters of the API key
    :param agreed: the text of what was agreed for the account; empty: nothing was
    :param exchange: whose the credential says that it is; empty: Binance's
    """

    envelopes: dict[str, str]
    hint: str
    agreed: str
    exchange: str


class Generations(NamedTuple):
    """The versions of the key provider's own key that still open.

    :param kept: the provider's name
    :param made: Unix milliseconds by number, 0 where nobody knows; the highest is the one in use
    :param owed: nodes that still hold what was destroyed, once for each deletion
    """

    kept: str
    made: dict[int, int]
    owed: tuple[int, ...]

    @property
    def active(self) -> int:
        return max(self.made)


class SignerClient:
    """A blocking connection to the signer, made when needed and again after it broke or the process forked.

    Safe to share between threads: one question at a time. Every question may be repeated without harm, so one that met
    a dead connection is asked once more on a new one.

    :param timeout: seconds for one question, connecting included
    """

    _name = "signer.sock"

    def __init__(self, *, run_dir: str | Path | None = None, timeout: float = 2.0) -> None:
        stay_away_from_web()
        self._path = str(Path(run_dir or os.environ["OBSCURA_RUN"]) / self._name)
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._pid = 0
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def ping(self) -> None:
        """Return if the signer answers.

        :raises SignerUnavailable: it does not
        """
        self._ask("ping")

    def stats(self) -> Message:
        """The signer's counts and its CPU seconds."""
        return self._ask("stats")

    def audit(self, *, after: int) -> Message:
        """The signer's record after an entry: `entries`, each as in `citadel.domain.trail.Told`; `lost`, how many are
        gone that followed it; `chain`, which record it is; `last`, its newest entry."""
        return self._ask("audit", after=after)

    def intake_key(self) -> tuple[bytes, str]:
        """The X25519 public key (32 bytes) credentials are sealed to, and its id."""
        answer = self._ask("intake_key")
        return answer["key"], answer["kid"]

    def new_key(self, *, tenant: int, version: int) -> str:
        """A new key of a tenant, wrapped by the key provider.

        :raises SignerRefused: codes ``key_pending`` (for longer than this waits), ``key_version_retired`` and
            those of the provider
        """
        return str(self._with_keys("new_key", tenant=tenant, version=version)["wrapped"])

    def agree(
        self,
        *,
        tenant: int,
        account: bytes,
        agreed: str,
        wanted: str,
        assertion: Sequence[bytes],
        keys: Sequence[WrappedKey] = (),
    ) -> str:
        """Have an account's agreement changed: the new one, sealed.

        :param agreed: the present one as it is sealed; empty: none
        :param wanted: the text of the new one (citadel.domain.agreement)
        :param assertion: a passkey's answer to it: id, authenticator data, client data, signature; empty: none
        :raises SignerRefused: codes ``agreement_malformed``, ``agreement_outdated``, ``passkey_missing``,
            ``passkey_refused``
        """
        fields = {"tenant": tenant, "account": account, "agreed": agreed, "wanted": wanted}
        wrapped = [list(key) for key in keys]
        return str(self._with_keys("agree", **fields, assertion=list(assertion), keys=wrapped)["agreed"])

    def hold(self, keys: Sequence[WrappedKey]) -> None:
        """Have the signer take in a tenant's keys."""
        self._with_keys("open", entries=[], keys=[list(key) for key in keys])

    def retire(self, *, tenant: int, minimum: int) -> int:
        """Have nothing opened any more that is sealed under a version below `minimum`. How many keys were dropped.

        :raises SignerRefused: code ``key_version_unknown``: no key is held that follows
        """
        return int(self._ask("retire", tenant=tenant, minimum=minimum)["dropped"])

    def generations(self) -> Generations:
        """What of the provider's own key still opens.

        :raises SignerRefused: codes of the provider
        """
        return _generations(self._with_keys("generations", ask=os.urandom(8)))

    def rotate_generation(self, *, after: int) -> Generations:
        """See that a generation follows this one; asked twice, it is made once.

        :raises SignerRefused: codes ``generations_many`` and those of the provider
        """
        return _generations(self._with_keys("rotate_generation", after=after, ask=os.urandom(8)))

    def move_key(self, key: WrappedKey) -> str:
        """A tenant's key, wrapped under the provider's present generation.

        :raises SignerRefused: codes ``wrap_refused``, ``wrap_unknown``: it does not open
        """
        tenant, version, wrapped = key
        return str(self._with_keys("move_key", tenant=tenant, version=version, wrapped=wrapped)["wrapped"])

    def destroy_generations(self, *, below: int) -> Generations:
        """Destroy every generation below one, and ask nodes again for what they owe. There is no way back.

        :raises SignerRefused: codes ``generation_young``: half the horizon has not passed; ``generation_unknown``
        """
        return _generations(self._with_keys("destroy_generations", below=below, ask=os.urandom(8)))

    def rewrap(
        self, entries: Sequence[Entry], *, version: int, keys: Sequence[WrappedKey]
    ) -> tuple[dict[bytes, dict[str, str]], list[tuple[bytes, str]]]:
        """The same envelopes by account, wrapped under another version; and (account, code) of what did not open."""
        done: dict[bytes, dict[str, str]] = {}
        refused: list[tuple[bytes, str]] = []
        for part in parts(entries):
            answer = self._with_keys("rewrap", entries=part, version=version, keys=[list(key) for key in keys])
            done.update(answer["rewrapped"])
            refused += [(account, code) for account, code in answer["refused"]]
        return done, refused

    def enrol(
        self, *, tenant: int, account: bytes, sealed: bytes, version: int = 1, keys: Sequence[WrappedKey] = ()
    ) -> tuple[dict[str, str], str]:
        """The envelopes and the hint of `enrol_whole`."""
        whole = self.enrol_whole(tenant=tenant, account=account, sealed=sealed, version=version, keys=keys)
        return whole.envelopes, whole.hint

    def enrol_whole(
        self, *, tenant: int, account: bytes, sealed: bytes, version: int, keys: Sequence[WrappedKey]
    ) -> Enrolled:
        """Turn a sealed credential into envelopes by field.

        :param version: of the tenant's keys, to seal under
        :param keys: the tenant's wrapped keys, of which the signer takes in those it does not hold
        :raises SignerRefused: codes ``sealed_*`` (not to the intake key, or not for this account of this tenant),
            ``credential_malformed`` (no usable fields) and ``agreement_malformed``
        """
        wrapped = [list(key) for key in keys]
        answer = self._with_keys("enrol", tenant=tenant, account=account, sealed=sealed, version=version, keys=wrapped)
        return Enrolled(answer["envelopes"], answer["hint"], answer["agreed"], answer["exchange"])

    def open(
        self, entries: Sequence[Entry], keys: Sequence[WrappedKey] = (), permits: Sequence[bytes] = ()
    ) -> tuple[int, list[tuple[bytes, str]]]:
        """Open accounts for signing: how many were, and (account, code) of the others.

        :param keys: the wrapped keys they are sealed under
        :param permits: of the tenant; one that is refused is listed with an empty account
        """
        opened, refused = 0, []
        more = {"permits": list(permits)} if permits else {}
        for part in parts(entries) or ([[]] if permits else []):
            answer = self._with_keys("open", entries=part, keys=[list(key) for key in keys], **more)
            opened += answer["opened"]
            refused += [(account, code) for account, code in answer["refused"]]
        return opened, refused

    def mandates(self, sealed: Sequence[bytes]) -> list[str]:
        """Tell of mandates that are new. Returns the codes of those that were refused."""
        return list(self._ask("mandates", sealed=list(sealed))["refused"])

    def forget(self, accounts: Sequence[bytes]) -> int:
        """Close accounts in the signer. Returns how many were open."""
        return int(self._ask("forget", accounts=list(accounts))["forgotten"])

    def public(self, account: bytes) -> str:
        """The API key of an open account; it is public by nature.

        :raises SignerRefused: code ``unknown_account``: open it first
        """
        return str(self._ask("public", account=account)["apiKey"])

    def hmac(self, *, account: bytes, payload: bytes, alg: str = "sha256") -> bytes:
        """The HMAC of a payload that may be signed without its request: a read, or a stream subscription.

        :raises SignerRefused: codes ``unknown_account``, ``payload_*``, ``algorithm_not_allowed``
        """
        return cast(bytes, self._ask("hmac", account=account, alg=alg, payload=payload)["digest"])

    def facts(self, account: bytes) -> dict[str, dict[str, Any]]:
        """What is no secret of an open account: maps ``public``, ``shapes`` and ``addresses``, by field.

        :raises SignerRefused: code ``unknown_account``: open it first, and it is of an exchange that no policy reads
        """
        answer = self._ask("facts", account=account)
        return {name: answer[name] for name in ("public", "shapes", "addresses")}

    def sign(self, *, account: bytes, field: str, op: str, derivation: str, args: Sequence[Any]) -> Any:
        """A signature with one form of one field, over what nobody reads (citadel.signer.primitives).

        :raises SignerRefused: codes ``unknown_account``, ``unchecked_not_permitted`` and those of a primitive
        """
        question = {"account": account, "field": field, "primitive": op, "derivation": derivation, "args": list(args)}
        return self._ask("sign", **question)["signature"]

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _with_keys(self, op: str, **fields: Any) -> Message:
        """Ask what may need a key that the signer has to ask for first; then it is asked again, for a few seconds."""
        give_up = time.monotonic() + KEY_PATIENCE_S
        while True:
            try:
                return self._ask(op, **fields)
            except SignerRefused as refusal:
                if refusal.code != KEY_PENDING or time.monotonic() > give_up:
                    raise
            time.sleep(KEY_PAUSE_S)

    def _ask(self, op: str, **fields: Any) -> Message:
        ident = next(self._ids)
        frame = pack({"op": op, "id": ident, **fields})
        with self._lock:
            answer = self._exchange(frame, ident)
        if answer.get("ok") is not True:
            raise SignerRefused(code=str(answer.get("code", "signer_refused")))
        return answer

    def _exchange(self, frame: bytes, ident: int) -> Message:
        give_up = time.monotonic() + self._timeout
        if self._pid != os.getpid():  # after a fork the parent's connection is not ours
            self._drop()
        used_before = self._socket is not None
        try:
            return self._round_trip(frame, ident, give_up)
        except TimeoutError:
            self._drop()  # a late answer must not meet the next question
            raise SignerUnavailable from None
        except (OSError, BadFrame):
            self._drop()
            if not used_before:
                raise SignerUnavailable from None
        try:
            return self._round_trip(frame, ident, give_up)
        except (OSError, BadFrame):
            self._drop()
            raise SignerUnavailable from None

    def _round_trip(self, frame: bytes, ident: int, give_up: float) -> Message:
        connection = self._socket
        if connection is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            self._socket, self._pid = connection, os.getpid()
            connection.settimeout(self._timeout)
            connection.connect(self._path)
        connection.settimeout(max(0.001, give_up - time.monotonic()))
        connection.sendall(frame)
        received = connection.recv(1 << 16)
        while len(received) < 4 or len(received) < 4 + _LENGTH.unpack_from(received)[0]:
            if time.monotonic() > give_up:
                raise TimeoutError
            more = connection.recv(1 << 18)
            if not more:
                raise ConnectionResetError
            received += more
        answer = unpack(received[4:])
        if answer.get("id") != ident:
            raise BadFrame
        return answer

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class EgressClient(SignerClient):
    """The same to the egress, of which only `ping` and `stats` may be asked this way."""

    _name = "egress.sock"


def _generations(answer: Message) -> Generations:
    return Generations(str(answer["kept"]), dict(answer["made"]), tuple(answer["owed"]))
