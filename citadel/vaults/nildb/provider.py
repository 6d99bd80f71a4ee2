"""Keys shared among three nilDB nodes: two of them, and the local secret, are needed to make a key whole.

Only the provider's own key is shared, one document for each version and node; what it wraps stays with us. So a
rotation costs three small documents, and an outage of one node nothing. There is no way around the nodes: without two
of them nothing is opened, and the local provider is never asked in their place.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from uuid import uuid4

from citadel.vaults.nildb import shares
from citadel.vaults.nildb.client import NodeClient
from citadel.vaults.nildb.state import State, StateStore, Version
from citadel.vaults.provider import (
    KEY,
    Generations,
    KeyProvider,
    ProviderError,
    ProviderUnavailable,
    QuorumMissing,
    ShareTampered,
    WrapRefused,
    WrapUnknown,
    open_key,
    seal_key,
    split_wrapped,
)

KEPT = 15 * 60
"""Seconds that a key stays in memory. Nodes that are told to refuse us are obeyed after that long."""

_logger = logging.getLogger("citadel.vaults.nildb")


class ShareLost(ProviderUnavailable):
    """A node lost the share it was given. Rotate the provider's key: with one more loss the version is gone."""

    code = "share_lost"


class NilDbProvider:
    """Version n is 32 random bytes, shared two of three; the shares are sealed under a material of its own.

    `local` wraps that material. What went wrong with single nodes while the others sufficed is in `faults`, the latest
    last, and goes to `on_fault`, on a thread of its own; both name the node.
    """

    name = "nildb"

    def __init__(
        self,
        *,
        nodes: Sequence[NodeClient],
        local: KeyProvider,
        store: StateStore,
        now: Callable[[], float] = time.monotonic,
        on_fault: Callable[[int, ProviderError], None] | None = None,
    ) -> None:
        """:raises StateLost: `establish` was never called for this store, or what it wrote is gone"""
        if [node.number for node in nodes] != list(range(1, shares.NODES + 1)):
            raise ValueError("there are three nodes, numbered 1, 2 and 3 in the order their shares were made in")
        self._nodes, self._local, self._store, self._now = tuple(nodes), local, store, now
        self._on_fault = on_fault or _log
        self.faults: deque[tuple[int, ProviderError]] = deque(maxlen=64)
        self._state = State.parse(store.load())
        self._keks: dict[int, tuple[bytes, float]] = {}
        self._closed = False
        self._lock = threading.Lock()
        # Held while nodes are asked, so that a crowd of threads asks once. Who finds a key in memory waits for nobody.
        self._asking = threading.Lock()

    def __repr__(self) -> str:
        return f"NilDbProvider({len(self._state.versions)} versions)"

    def wrap(self, *, key: bytes, aad: bytes) -> str:
        """``nildb:version:...`` under the latest version, as another process may have made it meanwhile."""
        state = self._reload()
        version = state.active
        return seal_key(name=self.name, version=version, kek=self._kek(version, state), key=key, aad=aad)

    def unwrap(self, *, wrapped: str, aad: bytes) -> bytes:
        """The key, with one node away or lying as well.

        :raises QuorumMissing: fewer than two nodes answer
        :raises ShareTampered: fewer than two nodes answer truthfully
        """
        version, raw = split_wrapped(name=self.name, wrapped=wrapped)
        state = self._state if version in self._state.versions else self._reload()
        if version not in state.versions:
            raise WrapUnknown
        return open_key(name=self.name, version=version, kek=self._kek(version, state), raw=raw, aad=aad)

    def rotate(self) -> int:
        """A new key, on all three nodes. It becomes a version when each of them has given its share back.

        With a node away there is no rotation: the new key would hang on two nodes, and neither could fail.
        """
        with self._asking:
            self._cached(0)
            old = self._store.load()
            state = State.parse(old)
            number = max(state.versions, default=0) + 1
            kek = os.urandom(KEY)
            entry, parts = self._entry(number, state.collection, kek)
            try:
                for node, part in zip(self._nodes, parts, strict=True):
                    document = {"_id": entry.document, "kid": entry.kid, "share": {"%share": part}}
                    node.create(collection=state.collection, document=document)
                    self._share(node, state.collection, entry, None)
            except ProviderError:
                self._take_back(state.collection, entry)
                raise
            made = {**state.made, number: int(time.time() * 1000)}
            new = replace(state, versions={**state.versions, number: entry}, made=made)
            # If this fails, the new version may stand in the state all the same: its shares have to stay.
            if not self._store.replace(old=old, new=new.dump()):
                self._take_back(state.collection, entry)
                raise ProviderUnavailable("another process rotated at the same time")
            self._state = new
            self._keep(number, kek)
        return number

    def generations(self) -> Generations:
        """The versions there are, and the nodes that owe a deletion."""
        return self._told(self._reload())

    def destroy(self, *, below: int) -> Generations:
        """Destroy every version below one: its entry here, then its share on each node.

        With the entry goes the material that seals the shares. What a node that is away still holds is owed, and is
        asked for again with each call; the record says which node.

        :raises ValueError: the latest would be gone
        """
        with self._asking:
            old = self._store.load()
            state = State.parse(old)
            if below > state.active:
                raise ValueError("the latest version is not destroyed")
            gone = [number for number in state.versions if number < below]
            owed = [(state.versions[number].kid, node.number) for number in gone for node in self._nodes]
            if gone:
                state = self._replaced(
                    old,
                    replace(
                        state,
                        versions={number: one for number, one in state.versions.items() if number >= below},
                        made={number: at for number, at in state.made.items() if number >= below},
                        owed=(*state.owed, *owed),
                    ),
                )
            with self._lock:
                self._keks = {number: kept for number, kept in self._keks.items() if number >= below}
            return self._told(self._settled(state))

    def _settled(self, state: State) -> State:
        """Ask each node for what it owes. A node counts once it says that it holds nothing any more."""
        away: set[int] = set()
        left: list[tuple[str, int]] = []
        for kid, number in state.owed:
            if number not in away and not self._deleted(self._nodes[number - 1], state.collection, kid):
                away.add(number)  # the rest of what it owes waits as well, not each for its own timeout
            if number in away:
                left.append((kid, number))
        if len(left) == len(state.owed):
            return state
        return self._replaced(state.dump(), replace(state, owed=tuple(left)))

    def _deleted(self, node: NodeClient, collection: str, kid: str) -> bool:
        try:
            node.delete(collection=collection, where={"kid": kid})
            if node.find(collection=collection, where={"kid": kid}):
                raise ProviderUnavailable(f"node {node.number} keeps what it was told to delete")
        except ProviderError as error:
            self._fault(node.number, error)
            return False
        return True

    def _replaced(self, old: str | None, new: State) -> State:
        if not self._store.replace(old=old, new=new.dump()):
            raise ProviderUnavailable("another process changed the state at the same time")
        self._state = new
        return new

    def _told(self, state: State) -> Generations:
        made = {number: state.made.get(number, 0) for number in sorted(state.versions)}
        return Generations(made, tuple(node for _, node in state.owed))

    def close(self) -> None:
        """Forget the keys in memory. The nodes and the state stay as they are."""
        with self._lock:
            self._closed = True
            self._keks = {}

    def _reload(self) -> State:
        self._state = State.parse(self._store.load())
        return self._state

    def _entry(self, number: int, collection: str, kek: bytes) -> tuple[Version, list[str]]:
        material, parts = shares.split(secret=kek)
        unsealed = Version(
            kid=str(uuid4()),
            document=str(uuid4()),
            shares=tuple(shares.fingerprint(part) for part in parts),
            kcv=shares.check_value(kek),
            material="",
        )
        wrapped = self._local.wrap(key=material, aad=unsealed.aad(number=number, collection=collection))
        return Version(**{**vars(unsealed), "material": wrapped}), parts

    def _take_back(self, collection: str, entry: Version) -> None:
        for node in self._nodes:
            try:
                node.delete(collection=collection, where={"kid": entry.kid})
            except ProviderError as error:
                # A share that stays behind belongs to a key that nothing is wrapped under.
                self._fault(node.number, error)

    def _kek(self, version: int, state: State) -> bytes:
        kek = self._cached(version)
        if kek is None:
            with self._asking:
                kek = self._cached(version)
                if kek is None:
                    kek = self._recover(version, state)
                    self._keep(version, kek)
        return kek

    def _cached(self, version: int) -> bytes | None:
        now = self._now()
        with self._lock:
            if self._closed:
                raise ProviderUnavailable("the provider is closed")
            self._keks = {number: kept for number, kept in self._keks.items() if now < kept[1]}
            return self._keks[version][0] if version in self._keks else None

    def _keep(self, version: int, kek: bytes) -> None:
        with self._lock:
            if not self._closed:
                self._keks[version] = (kek, self._now() + KEPT)

    def _recover(self, version: int, state: State) -> bytes:
        entry, collection = state.versions[version], state.collection
        # The local secret is asked first: without it the nodes' answers would be of no use.
        aad = entry.aad(number=version, collection=collection)
        material = self._local.unwrap(wrapped=entry.material, aad=aad)
        try:
            kek = shares.combine(material=material, shares=self._gather(collection, entry, material))
        except ValueError:
            raise WrapRefused("the shares are the ones that were given, and make no key") from None
        if shares.check_value(kek) != entry.kcv:
            raise WrapRefused("the shares are the ones that were given, and make another key")
        return kek

    def _gather(self, collection: str, entry: Version, material: bytes) -> list[str]:
        """The first two true shares. The third node is heard as well: a lie is recorded even when it comes late."""
        executor = ThreadPoolExecutor(shares.NODES, thread_name_prefix="nildb")
        try:
            open_: set[Future[str]] = {
                executor.submit(self._heard, node, collection, entry, material) for node in self._nodes
            }
            found: list[str] = []
            failed: list[ProviderError] = []
            while open_ and len(found) < shares.THRESHOLD:
                done, open_ = wait(open_, return_when=FIRST_COMPLETED)
                for one in done:
                    error = one.exception()
                    if error is None:
                        found.append(one.result())
                    elif isinstance(error, ProviderError):
                        failed.append(error)
                    else:
                        raise error
        finally:
            executor.shutdown(wait=False)
        if len(found) >= shares.THRESHOLD:
            return found[: shares.THRESHOLD]
        for error in failed:
            if isinstance(error, ShareTampered):
                raise error
        raise QuorumMissing(f"{len(found)} of {shares.NODES} nodes gave their share, {shares.THRESHOLD} are needed")

    def _heard(self, node: NodeClient, collection: str, entry: Version, material: bytes) -> str:
        try:
            return self._share(node, collection, entry, material)
        except ProviderError as error:
            self._fault(node.number, error)
            raise

    def _share(self, node: NodeClient, collection: str, entry: Version, material: bytes | None) -> str:
        found = node.find(collection=collection, where={"kid": entry.kid})
        if not found:
            raise ShareLost(f"node {node.number} has no share of this version")
        share = found[0].get("share")
        text = share.get("%share") if isinstance(share, dict) else None
        if (
            len(found) != 1
            or not isinstance(text, str)
            or shares.fingerprint(text) != entry.shares[node.number - 1]
            or (material is not None and not shares.is_sealed_under(material=material, share=text))
        ):
            raise ShareTampered(node=node.number)
        return text

    def _fault(self, node: int, error: ProviderError) -> None:
        self.faults.append((node, error))
        self._on_fault(node, error)


def _log(node: int, error: ProviderError) -> None:
    level = logging.ERROR if isinstance(error, ShareTampered) else logging.WARNING
    _logger.log(level, "nildb.node_failed node=%d code=%s", node, error.code)
