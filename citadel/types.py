"""Values the citadel app gives to its neighbours. None of them holds a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What a field has to look like, as data, so that whoever seals it elsewhere asks the same.

    :param pattern: a regular expression that the whole text matches, spelt so that Python and JavaScript read it alike
    :param words: what is said where it does not; ``{length}`` stands for the number of characters
    """

    pattern: str
    words: str


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One field of the form that takes an exchange's credentials.

    :param name: as ccxt calls it, e.g. ``apiKey``
    :param kind: ``text``, ``password`` or ``textarea``
    :param rules: in the order they are asked, of a text without blanks around it; the first that fails is told
    """

    name: str
    label: str
    kind: str
    help: str
    rules: tuple[FieldRule, ...] = ()


@dataclass(frozen=True, slots=True)
class VaultKey:
    """The public key that credentials are sealed to.

    :param kid: its id
    :param public: X25519, 32 bytes
    """

    kid: str
    public: bytes


@dataclass(frozen=True, slots=True)
class Reservation:
    """An id for an account that is to be connected, with what has to stand in the sealed box beside it.

    :param account: what the account's id will be
    :param account_id: the same, signed; it is handed in with the box
    :param tenant: the tenant's number
    :param agreed: the usual limits and the owner's passkeys as a text, for the box's field ``agreed``
    """

    account: UUID
    account_id: str
    tenant: int
    agreed: str
    expires_at: datetime


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
class VaultStatement:
    """What the vault said of itself last.

    :param keys: the key provider: ``local``, ``nildb`` or ``transit``
    :param attestation: ``mode`` is ``off`` or ``required``; then also ``accepted``, ``code``, ``product``,
        ``measurement``, ``firmware``, ``report`` (SHA-256), ``at`` and ``revocation``, as far as they are known. The
        last has ``policy`` (``where_reachable`` or ``required``), ``judged``, of AMD's list ``issued`` and ``until``,
        and ``trouble``, the codes of what went wrong when it was last asked for
    :param heard_at: when it was last asked, and `since` when it says so
    """

    keys: str
    attestation: Mapping[str, object]
    heard_at: datetime
    since: datetime


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


@dataclass(frozen=True, slots=True)
class CapsChangeRef:
    """A change of an account's limits that was asked for.

    :param state: ``asked``, ``done`` or ``refused``
    :param reason: why it was refused and what to do; empty when it was not
    """

    state: str
    reason: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may be opened on an account, in US dollars of an order's worth, and the highest leverage.

    :param number: goes up by one with every change
    :param passkeys: how many of its owner's passkeys the account knows; without one it can only be narrowed
    :param change: the one that was last asked for
    """

    order_usd: Decimal
    minute_usd: Decimal
    day_usd: Decimal
    leverage: int
    number: int
    passkeys: int
    change: CapsChangeRef | None


@dataclass(frozen=True, slots=True)
class LimitsQuestion:
    """What a passkey is asked to confirm.

    :param number: of the agreement that it changes
    :param challenge: in base64url; empty: no passkey is needed
    :param passkeys: ids in base64url of those that may answer on this site
    """

    number: int
    challenge: str
    passkeys: tuple[str, ...]
    order_usd: Decimal
    minute_usd: Decimal
    day_usd: Decimal
    leverage: int
