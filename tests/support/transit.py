"""HashiCorp Vault's transit engine on this machine: the requests that our provider makes, and their refusals.

Words and statuses are those of Vault: a ciphertext that fails authentication is a 400 or, in some versions, a 500.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.loopback import Handler, Loopback

TOO_OLD = "ciphertext or signature version is disallowed by policy (too old)"


class Refusal(Exception):
    """A status and Vault's errors."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status, *errors)
        self.status, self.errors = status, list(errors)


class Key:
    """A named key, its versions from 1 on."""

    def __init__(self) -> None:
        self.versions: list[AESGCM | None] = [AESGCM(os.urandom(32))]
        self.made = [int(time.time())]
        self.minimum = 1
        self.minimum_to_encrypt = 0
        self.available = 0

    def described(self, name: str) -> dict[str, Any]:
        made = {str(number + 1): at for number, at in enumerate(self.made) if number + 1 >= self.available}
        return {
            "name": name,
            "type": "aes256-gcm96",
            "keys": made,
            "latest_version": len(self.versions),
            "min_decryption_version": self.minimum,
            "min_encryption_version": self.minimum_to_encrypt,
            "min_available_version": self.available,
            "deletion_allowed": False,
            "derived": False,
            "exportable": False,
        }


class Transit:
    """Vault at `url`, one key in it. The attributes are switches, and what it has seen."""

    def __init__(self, *, token: str, key: str = "obscura", tls: ssl.SSLContext | None = None) -> None:
        self.token = token
        self.sealed = False
        self.knows_associated_data = True
        """Vault before 1.9 did not, and ignored it."""
        self.failed_authentication = 400
        self.rotation_tells = True
        """Whether a rotation is answered with the key's description, as since 1.15, or with 204."""
        self.awake = threading.Event()
        self.awake.set()
        self.body: bytes | None = None
        """Sent in place of the answer's body."""
        self.status: int | None = None
        """Sent in place of the answer's status."""
        self.keys = {key: Key()}
        self.requests: list[str] = []
        self._loopback = Loopback(_handler(self), tls)
        self.url = self._loopback.url

    def stop(self) -> None:
        """Off the network for good."""
        self.awake.set()
        self._loopback.stop()

    def answer(self, method: str, path: str, token: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body as Vault would answer."""
        if self.sealed:
            raise Refusal(503, "Vault is sealed")
        if token != self.token:
            raise Refusal(403, "permission denied")
        words = path.strip("/").split("/")
        if words[:2] != ["v1", "transit"] or len(words) < 4:
            raise Refusal(404, f"no handler for route {path.strip('/')!r}")
        handle = HANDLERS.get((method, words[2], *words[4:]))
        if handle is None:
            raise Refusal(405, "unsupported operation")
        if words[3] not in self.keys:
            raise Refusal(404) if method == "GET" else Refusal(400, "encryption key not found")
        return handle(self, words[3], body)

    def _encrypt(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        key = self.keys[name]
        nonce = os.urandom(12)
        sealed = key.versions[-1].encrypt(nonce, b64decode(body["plaintext"], validate=True), self._aad(body))
        version = len(key.versions)
        return 200, {"data": {"ciphertext": f"vault:v{version}:{_base64(nonce + sealed)}", "key_version": version}}

    def _decrypt(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        key = self.keys[name]
        words = body["ciphertext"].split(":")
        if len(words) != 3 or words[0] != "vault":
            raise Refusal(400, "invalid ciphertext: no prefix")
        version = int(words[1].removeprefix("v"))
        if version > len(key.versions):
            raise Refusal(400, "invalid ciphertext: version is too new")
        if version < key.minimum:
            raise Refusal(400, TOO_OLD)
        raw = b64decode(words[2], validate=True)
        if len(raw) < 12:
            raise Refusal(400, "invalid ciphertext length")
        try:
            plain = key.versions[version - 1].decrypt(raw[:12], raw[12:], self._aad(body))
        except InvalidTag:
            raise Refusal(self.failed_authentication, "cipher: message authentication failed") from None
        return 200, {"data": {"plaintext": _base64(plain)}}

    def _rotate(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.keys[name].versions.append(AESGCM(os.urandom(32)))
        self.keys[name].made.append(int(time.time()))
        return (200, {"data": self.keys[name].described(name)}) if self.rotation_tells else (204, {})

    def _read(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {"data": self.keys[name].described(name)}

    def _configure(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        key = self.keys[name]
        minimum = int(body.get("min_decryption_version", key.minimum))
        if not 1 <= minimum <= len(key.versions):
            raise Refusal(400, f"cannot set min decryption version of {minimum}, latest key version is lower")
        encrypt = int(body.get("min_encryption_version", key.minimum_to_encrypt))
        if not 0 <= encrypt <= len(key.versions):
            raise Refusal(400, f"cannot set min encryption version of {encrypt}, latest key version is lower")
        if 0 < encrypt < minimum:
            raise Refusal(400, "min encryption version must be greater than or equal to min decryption version")
        if minimum < key.available:
            raise Refusal(400, "min decryption version should not be less than min available version")
        key.minimum, key.minimum_to_encrypt = minimum, encrypt
        return 200, {"data": key.described(name)}

    def _trim(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        key, lowest = self.keys[name], int(body["min_available_version"])
        if key.minimum_to_encrypt == 0 or lowest > min(key.minimum, key.minimum_to_encrypt):
            raise Refusal(400, "minimum available version cannot be greater than the minima to decrypt and encrypt")
        if lowest < key.available:
            raise Refusal(400, "minimum available version cannot be decremented")
        key.available = lowest
        for number in range(lowest - 1):
            key.versions[number] = None
        return 200, {"data": key.described(name)}

    def _aad(self, body: dict[str, Any]) -> bytes | None:
        if not self.knows_associated_data or not body.get("associated_data"):
            return None
        return b64decode(body["associated_data"], validate=True)


HANDLERS: dict[tuple[str, ...], Callable[..., tuple[int, dict[str, Any]]]] = {
    ("POST", "encrypt"): Transit._encrypt,
    ("POST", "decrypt"): Transit._decrypt,
    ("POST", "keys", "rotate"): Transit._rotate,
    ("POST", "keys", "config"): Transit._configure,
    ("POST", "keys", "trim"): Transit._trim,
    ("GET", "keys"): Transit._read,
}


def _handler(peer: Transit) -> type[Handler]:
    class TransitHandler(Handler):
        def _serve(self) -> None:
            peer.requests.append(f"{self.command} {self.path}")
            text = self.read_body()
            peer.awake.wait()
            token = self.headers.get("X-Vault-Token")
            try:
                status, answer = peer.answer(self.command, self.path, token, json.loads(text) if text else {})
            except Refusal as refusal:
                status, answer = refusal.status, {"errors": refusal.errors}
            except (ValueError, KeyError):
                status, answer = 400, {"errors": ["failed to base64-decode, or a field is missing"]}
            status = peer.status or status
            body = b"" if status == 204 else json.dumps(answer).encode()
            self.send_body(status, "application/json", body if peer.body is None else peer.body)

        do_GET = do_POST = do_PUT = _serve

    return TransitHandler


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
