"""Values the citadel app gives to its neighbours. None of them holds a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One field of the form that takes an exchange's credentials.

    :param name: as ccxt calls it, e.g. ``apiKey``
    :param kind: ``text``, ``password`` or ``textarea``
    """

    name: str
    label: str
    kind: str
    help: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange as ccxt knows it.

    :param certified: certified by ccxt; the others are beta
    :param copying: whether copies are placed there today
    :param required: names of the credential fields ccxt requires
    """

    code: str
    name: str
    certified: bool
    dex: bool
    spot: bool
    futures: bool
    margin: bool
    websocket: bool
    copying: bool
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An exchange account as everybody may see it.

    :param status: ``pending``, ``active``, ``refused`` or ``revoked``
    :param reason: why it is not active and what to do; empty when it is
    :param hint: last characters of the API key, empty while they are not known
    :param address: the address its requests come from, for the exchange's list; empty where none is named
    :param permissions: what the key may do: ``trade``, ``withdraw``, ``transfer``, ``spot``, ``futures``,
        ``ip_restricted``, each true, false, or null where the exchange does not tell; ``note`` in words; ``confirm``
        is true where the owner has to confirm what the exchange does not tell, ``confirmed_at`` when that was done
    """

    id: UUID
    owner_id: UUID
    exchange: str
    environment: str
    label: str
    status: str
    reason: str
    hint: str
    permissions: Mapping[str, object]
    checked_at: datetime | None
    created_at: datetime
    address: str = ""
