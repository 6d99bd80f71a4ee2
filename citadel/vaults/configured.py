"""The key provider that the environment names.

$OBSCURA_KEYS: ``local`` (the default: random generations in a file of the signer's state, under the root key),
``nildb`` ($OBSCURA_NILDB_NODES: three times ``url#public key in hex``, comma separated, always in the same order; the
record of its keys lies in the signer's state) or ``transit`` ($OBSCURA_VAULT_ADDR, _TOKEN or _TOKEN_FILE, _KEY, _MOUNT,
_CACERT). `python -m citadel.vaults.configured` makes the first start of nilDB; it may be repeated.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from citadel.vaults.local import RootKeyMissing, read_root_key
from citadel.vaults.local_generations import LocalGenerations
from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.provider import ErasableProvider, ProviderError

if TYPE_CHECKING:
    from citadel.vaults.nildb.client import NodeClient
    from citadel.vaults.nildb.provider import NilDbProvider

KINDS = ("local", "nildb", "transit")


class ProviderUnknown(ProviderError):
    """OBSCURA_KEYS, or what goes with it, is not understood. Set it to local, nildb or transit, and see the manual."""

    code = "provider_unknown"


def kind(env: Mapping[str, str] = os.environ) -> str:
    """Which provider there is.

    :raises ProviderUnknown: it is none of ours
    """
    name = env.get("OBSCURA_KEYS") or "local"
    if name not in KINDS:
        raise ProviderUnknown
    return name


def state_folder(env: Mapping[str, str] = os.environ) -> Path:
    """The directory of what the signer keeps, $OBSCURA_SIGNER_STATE, by default vault/ beside its sockets."""
    return Path(env.get("OBSCURA_SIGNER_STATE") or Path(env["OBSCURA_RUN"]) / "vault")


def provider(root: bytes, env: Mapping[str, str] = os.environ) -> ErasableProvider:
    """The provider, not asked anything yet.

    :raises ProviderError: it is not configured, or nilDB was never started for the first time
    """
    name = kind(env)
    if name == "local":
        return LocalGenerations(root=root, folder=state_folder(env))
    if name == "transit":
        from citadel.vaults.transit import TransitProvider

        return TransitProvider.from_env(env)
    from citadel.vaults.nildb.provider import NilDbProvider
    from citadel.vaults.nildb.state import FileStore

    return NilDbProvider(nodes=_nodes(root, env), local=LocalProvider(root=root), store=FileStore(_record(env)))


def establish(root: bytes, env: Mapping[str, str] = os.environ) -> NilDbProvider:
    """The first start of nilDB: a builder, a collection and a first version on each node. May be repeated.

    :raises ProviderError: a node is away, refuses us, or holds keys of ours that there is no record of
    """
    from citadel.vaults.nildb.establishing import establish as first_start
    from citadel.vaults.nildb.state import FileStore

    record = _record(env)
    record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return first_start(nodes=_nodes(root, env), local=LocalProvider(root=root), store=FileStore(record))


def _record(env: Mapping[str, str]) -> Path:
    return state_folder(env) / "nildb.json"


def _nodes(root: bytes, env: Mapping[str, str]) -> list[NodeClient]:
    from citadel.vaults.nildb.client import NodeClient
    from citadel.vaults.nildb.nuc import signer_from_root

    signer = signer_from_root(root=root)
    try:
        named = [word.strip().split("#") for word in env.get("OBSCURA_NILDB_NODES", "").split(",") if word.strip()]
        return [
            NodeClient(number=number, url=url, public_key=bytes.fromhex(key), signer=signer)
            for number, (url, key) in enumerate(named, 1)
        ]
    except ValueError:
        raise ProviderUnknown from None


def main() -> int:
    try:
        if kind() == "nildb":
            print(repr(establish(read_root_key())))
        else:
            print(f"{kind()}: nothing to do")
    except (ProviderError, RootKeyMissing) as error:
        print(f"{error.code}: {(error.__doc__ or '').strip()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
