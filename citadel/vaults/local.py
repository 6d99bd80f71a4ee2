"""The vault on this machine: one root key from the environment or a file, key versions derived from it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from citadel.domain.envelope import DATA_KEY, NONCE, WRAPPED, KeyVersionUnknown, RefusedEnvelope

CREDENTIAL = "obscura-root-key"
"""Its name among the credentials that systemd gives a unit: ``LoadCredentialEncrypted=obscura-root-key``."""


class RootKeyMissing(Exception):
    """No usable root key. Give 32 bytes in hex: OBSCURA_ROOT_KEY, OBSCURA_ROOT_KEY_FILE, or the systemd credential."""

    code = "root_key_missing"


def read_root_key(env: Mapping[str, str] = os.environ) -> bytes:
    """The 32 bytes that OBSCURA_ROOT_KEY spells, or the file OBSCURA_ROOT_KEY_FILE, or systemd's credential.

    The first of them that is set counts: a wrong value is an error, and never a reason to look further.

    :raises RootKeyMissing: none is there, or it is not 64 hex digits; the text is not repeated in the error
    """
    text = env.get("OBSCURA_ROOT_KEY", "")
    if not text and env.get("OBSCURA_ROOT_KEY_FILE"):
        text = _read(Path(env["OBSCURA_ROOT_KEY_FILE"]))
    elif not text and env.get("CREDENTIALS_DIRECTORY"):
        text = _read(Path(env["CREDENTIALS_DIRECTORY"]) / CREDENTIAL)
    if re.fullmatch(r"[0-9A-Fa-f]{64}\s*", text) is None:
        raise RootKeyMissing("the root key is not 64 hex digits")
    return bytes.fromhex(text)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise RootKeyMissing("the file of the root key cannot be read") from None


def forget_root_key(env: MutableMapping[str, str]) -> None:
    """Take the root key out of the environment, so that no child inherits it."""
    env.pop("OBSCURA_ROOT_KEY", None)


def derive(root: bytes, label: str) -> bytes:
    """32 bytes for one purpose (HKDF-SHA256, RFC 5869, the purpose in `info`)."""
    return HKDF(algorithm=SHA256(), length=32, salt=b"obscura/citadel", info=label.encode()).derive(root)


class LocalVault:
    """Key version n is HKDF(root, "kek/v{n}"); a data key is wrapped with AES-256-GCM under a random nonce."""

    def __init__(self, *, root: bytes, active: int = 1, minimum: int = 1) -> None:
        if len(root) != 32 or not 1 <= minimum <= active:
            raise ValueError("a root key has 32 bytes, and 1 <= minimum <= active version")
        self.active_version = active
        self.minimum_version = minimum
        self._keys = {version: AESGCM(derive(root, f"kek/v{version}")) for version in range(minimum, active + 1)}

    def __repr__(self) -> str:
        return f"LocalVault(v{self.minimum_version}..v{self.active_version})"

    def wrap(self, *, version: int, data_key: bytes, aad: bytes) -> bytes:
        """nonce (12), wrapped key (32), tag (16)."""
        nonce = os.urandom(NONCE)
        return nonce + self._key(version).encrypt(nonce, data_key, aad)

    def unwrap(self, *, version: int, wrapped: bytes, aad: bytes) -> bytes:
        """The data key that was wrapped under this version and aad."""
        if len(wrapped) != WRAPPED:
            raise RefusedEnvelope
        try:
            data_key = self._key(version).decrypt(wrapped[:NONCE], wrapped[NONCE:], aad)
        except InvalidTag:
            raise RefusedEnvelope from None
        if len(data_key) != DATA_KEY:
            raise RefusedEnvelope
        return data_key

    def _key(self, version: int) -> AESGCM:
        try:
            return self._keys[version]
        except KeyError:
            raise KeyVersionUnknown from None
