"""The key provider that is HashiCorp Vault: its transit engine wraps, and its keys never leave it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hvac
import requests
import urllib3
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, Unauthorized, UnsupportedOperation, VaultError
from requests.adapters import HTTPAdapter

from citadel.vaults.provider import (
    KEY,
    Generations,
    ProviderDenied,
    ProviderError,
    ProviderUnavailable,
    WrapRefused,
    WrapUnknown,
    check_address,
)

TIMEOUT = 5.0
MAX_BODY = 256 << 10

_SHAPE = re.compile(r"transit:(vault:v[1-9][0-9]{0,8}:([A-Za-z0-9+/]{40,400}={0,2}))", re.ASCII)
_TOO_OLD, _TOO_NEW = "disallowed by policy (too old)", "version is too new"
_REFUSED = ("message authentication failed", "invalid ciphertext", "unable to decrypt", "could not decrypt")


class TransitMissing(Exception):
    """Vault is not configured. Set OBSCURA_VAULT_ADDR, and OBSCURA_VAULT_TOKEN or OBSCURA_VAULT_TOKEN_FILE."""

    code = "transit_missing"


class TransitProvider:
    """Texts are ``transit:`` before Vault's own: ``transit:vault:v2:...``. The versions are those of the key in Vault.

    `token` is asked before each request, so that a file which Vault's agent renews is always read anew.
    """

    name = "transit"

    def __init__(
        self,
        *,
        address: str,
        token: Callable[[], str],
        key: str = "obscura",
        mount: str = "transit",
        timeout: float = TIMEOUT,
        ca_file: str | None = None,
    ) -> None:
        """:raises ValueError: the address is neither https nor of this machine"""
        self._session = requests.Session()
        # Neither proxies nor a .netrc from the environment: the token goes to Vault and to nobody else.
        self._session.trust_env = False
        self._session.verify = ca_file or True
        bounded = _Bounded(max_retries=0)
        self._session.mount("https://", bounded)
        self._session.mount("http://", bounded)
        self._client = hvac.Client(
            url=check_address(address), token="", timeout=timeout, allow_redirects=False, session=self._session
        )
        self._key, self._mount, self._token = key, mount, token
        self._closed = False

    def __repr__(self) -> str:
        return f"TransitProvider({self._mount}/{self._key})"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> TransitProvider:
        """The provider that OBSCURA_VAULT_ADDR, _TOKEN or _TOKEN_FILE, _KEY, _MOUNT and _CACERT describe.

        :raises TransitMissing: address or token is not set
        """
        address, token, file = (env.get(f"OBSCURA_VAULT_{name}", "") for name in ("ADDR", "TOKEN", "TOKEN_FILE"))
        if not address or not (token or file):
            raise TransitMissing("OBSCURA_VAULT_ADDR, or the token, is not set")
        return cls(
            address=address,
            token=(lambda: token) if token else (lambda: _read_token(Path(file))),
            key=env.get("OBSCURA_VAULT_KEY") or "obscura",
            mount=env.get("OBSCURA_VAULT_MOUNT") or "transit",
            ca_file=env.get("OBSCURA_VAULT_CACERT") or None,
        )

    def wrap(self, *, key: bytes, aad: bytes) -> str:
        """``transit:vault:v{n}:...`` under the latest version in Vault."""
        if len(key) != KEY:
            raise ValueError("a key-encryption key has 32 bytes")
        # A Vault that is too old to know associated_data ignores it without a word: the digest inside makes sure that
        # the aad is bound whatever answers.
        answer = self._ask(
            "encrypt_data",
            name=self._key,
            plaintext=_base64(key + hashlib.sha256(aad).digest()),
            associated_data=_base64(aad),
        )
        wrapped = f"transit:{_text(answer, 'ciphertext')}"
        try:
            _inner(wrapped)
        except WrapUnknown:
            raise ProviderUnavailable("Vault answers what is no ciphertext of its own") from None
        return wrapped

    def unwrap(self, *, wrapped: str, aad: bytes) -> bytes:
        """The key; the version that the text names must not be below min_decryption_version."""
        answer = self._ask("decrypt_data", name=self._key, ciphertext=_inner(wrapped), associated_data=_base64(aad))
        try:
            plain = b64decode(_text(answer, "plaintext"), validate=True)
        except ValueError:
            raise ProviderUnavailable("Vault answers no base64") from None
        if len(plain) != KEY + 32 or plain[KEY:] != hashlib.sha256(aad).digest():
            raise WrapRefused
        return plain[:KEY]

    def rotate(self) -> int:
        """A new version of the key in Vault. What is below min_decryption_version does not unwrap any more."""
        # Older versions answer 204 to it and tell no number: the key is read in any case.
        self._ask("rotate_key", name=self._key)
        answer = self._ask("read_key", name=self._key)
        version = answer.get("latest_version")
        if not isinstance(version, int):
            raise ProviderUnavailable("Vault answers without the latest version")
        return version

    def generations(self) -> Generations:
        """The versions of the key in Vault that it still decrypts."""
        answer = self._ask("read_key", name=self._key)
        made, lowest = answer.get("keys"), answer.get("min_decryption_version")
        if not isinstance(made, dict) or not isinstance(lowest, int):
            raise ProviderUnavailable("Vault answers without the versions of the key")
        found = {int(number): _milliseconds(at) for number, at in made.items() if str(number).isdecimal()}
        return Generations({number: found[number] for number in sorted(found) if number >= lowest}, ())

    def destroy(self, *, below: int) -> Generations:
        """Close every version below one to decryption, and trim them: Vault itself cannot bring them back then.

        The token needs ``update`` on ``keys/NAME/config`` and ``keys/NAME/trim``.

        :raises ValueError: the latest would be gone
        """
        if below > max(self.generations().made, default=0):
            raise ValueError("the latest version is not destroyed")
        # To trim, Vault wants both minima at least as high. In two steps, as hvac refuses two that are equal, and the
        # one for encryption first, as it may not be below the other.
        self._ask("update_key_configuration", name=self._key, min_encryption_version=below)
        self._ask("update_key_configuration", name=self._key, min_decryption_version=below)
        self._ask("trim_key", name=self._key, min_version=below)
        trimmed = self._ask("read_key", name=self._key).get("min_available_version")
        if not isinstance(trimmed, int) or trimmed < below:
            raise ProviderUnavailable("Vault still holds versions that it was told to trim")
        return self.generations()

    def close(self) -> None:
        """Close the connections and forget the token."""
        self._closed = True
        self._client.token = ""
        self._session.close()

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        if self._closed:
            raise ProviderUnavailable("the provider is closed")
        token = self._token()
        if not (token and token.isascii() and token.isprintable()):
            raise ProviderDenied("there is no token, or it is not one")
        self._client.token = token
        try:
            answer = getattr(self._client.secrets.transit, operation)(mount_point=self._mount, **arguments)
        except VaultError as error:
            raise _translated(error, operation) from None
        except (requests.RequestException, OSError, RecursionError):
            raise ProviderUnavailable("Vault is not reached") from None
        if getattr(answer, "status_code", None) == 204:
            return {}
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise ProviderUnavailable("Vault answers no JSON")
        return data


class _Bounded(HTTPAdapter):
    """Reads an answer no further than a key can be long, and tells hvac only what it can stand."""

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *rest: Any, **options: Any
    ) -> requests.Response:
        answer = super().send(request, True, *rest, **options)
        try:
            body = answer.raw.read(MAX_BODY + 1, decode_content=True)
        except urllib3.exceptions.HTTPError:
            raise requests.ConnectionError from None
        finally:
            answer.close()
        if len(body) > MAX_BODY:
            raise requests.ConnectionError
        if not answer.ok:
            # hvac takes it for granted that an error is an object with a list of texts, and breaks otherwise.
            body = json.dumps({"errors": _errors(body)}).encode()
            answer.headers["Content-Type"] = "application/json"
        answer._content, answer._content_consumed = body, True
        return answer


def _errors(body: bytes) -> list[str]:
    try:
        found = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _translated(error: VaultError, operation: str) -> ProviderError:
    """Ours for one of hvac's. The words of Vault decide and are not repeated.

    They come before the status: a ciphertext that fails authentication is a 400 in some versions and a 500 in others.
    """
    words = " ".join(str(one) for one in error.errors or ())
    if operation == "decrypt_data" and not isinstance(error, Forbidden | Unauthorized):
        if _TOO_OLD in words or _TOO_NEW in words:
            return WrapUnknown("Vault does not open this version")
        if any(one in words for one in _REFUSED):
            return WrapRefused()
    if isinstance(error, Forbidden | Unauthorized):
        return ProviderDenied("Vault refuses our token")
    if isinstance(error, InvalidRequest | InvalidPath | UnsupportedOperation):
        return ProviderDenied("Vault has no such key or mount, or the key cannot do this")
    return ProviderUnavailable("Vault is sealed, standing by or failing")


def _inner(wrapped: str) -> str:
    found = _SHAPE.fullmatch(wrapped) if isinstance(wrapped, str) else None
    if found is None:
        raise WrapUnknown
    try:
        if _base64(b64decode(found[2], validate=True)) != found[2]:
            raise WrapUnknown
    except ValueError:
        raise WrapUnknown from None
    return found[1]


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str):
        raise ProviderUnavailable(f"Vault answers without {name}")
    return value


def _read_token(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ProviderDenied("the file of the token cannot be read") from None


def _milliseconds(at: Any) -> int:
    return at * 1000 if isinstance(at, int) else 0


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
