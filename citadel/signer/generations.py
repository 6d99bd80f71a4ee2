"""The signer's questions about the provider's own key: made anew, tenants' keys moved to it, the old ones destroyed.

Whoever speaks to the signer may ask. So what cannot be undone is bounded here, by the signer's own clock: a generation
is destroyed only when one that follows it is older than half the horizon.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from citadel.domain.frames import Message
from citadel.domain.horizon import Horizon
from citadel.signer.tenant_keys import TenantKeys
from citadel.vaults.provider import Generations

_REMEMBERED = 64

Record = Callable[[str, dict[str, Any]], None]


class GenerationRefused(Exception):
    """What was asked of the generations is not done; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class GenerationDesk:
    """:param kept: the key provider's name"""

    def __init__(
        self, *, vault: TenantKeys, horizon: Horizon, kept: str, record: Record, now: Callable[[], float] = time.time
    ) -> None:
        self._vault, self._horizon, self._kept, self._record, self._now = vault, horizon, kept, record, now
        self._asked: OrderedDict[bytes, dict[int, int]] = OrderedDict()
        self.ops: dict[str, tuple[Callable[[Message], Message], dict[str, type]]] = {
            "generations": (self._generations, {"ask": bytes}),
            "rotate_generation": (self._rotate, {"after": int, "ask": bytes}),
            "move_key": (self._move, {"tenant": int, "version": int, "wrapped": str}),
            "destroy_generations": (self._destroy, {"below": int, "ask": bytes}),
        }

    def _generations(self, message: Message) -> Message:
        return self._told(self._vault.generations(ask=message["ask"]))

    def _rotate(self, message: Message) -> Message:
        found = self._vault.rotate(after=message["after"], ask=message["ask"])
        newest = max(found.made, default=0)
        if newest > message["after"]:
            self._record("generation_made", {"number": newest})
        return self._told(found)

    def _move(self, message: Message) -> Message:
        tenant, version = message["tenant"], message["version"]
        if not 0 < tenant < 1 << 24 or not 0 < version < 1_000_000_000:
            raise GenerationRefused("bad_fields")
        moved = self._vault.move(tenant, version, message["wrapped"])
        self._record("key_moved", {"tenant": tenant, "version": version})
        return {"wrapped": moved}

    def _destroy(self, message: Message) -> Message:
        below = message["below"]
        made = self._before(message["ask"])
        if below not in made:
            raise GenerationRefused("generation_unknown")
        if not made[below] or self._now() < made[below] / 1000 + self._horizon.half.total_seconds():
            raise GenerationRefused("generation_young")
        found = self._vault.destroy(below=below, ask=message["ask"])
        del self._asked[message["ask"]]
        gone = [number for number in made if number < below]
        self._record("generations_destroyed", {"numbers": gone, "owed": sorted(set(found.owed))})
        return self._told(found)

    def _before(self, ask: bytes) -> dict[int, int]:
        """What there was when a destruction was first asked for; the question comes again until it is done."""
        if ask not in self._asked:
            self._asked[ask] = self._vault.generations(ask=b"before" + ask).made
            while len(self._asked) > _REMEMBERED:
                self._asked.popitem(last=False)
        return self._asked[ask]

    def _told(self, found: Generations) -> Message:
        return {"kept": self._kept, "made": list(found.made.items()), "owed": list(found.owed)}
