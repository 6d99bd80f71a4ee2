"""What every checker of an API key shares: what it asks, what it is told, and how rights become a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from citadel.domain.permissions import ANYWHERE, AWAY, KEY_UNKNOWN, NOT_TOLD, SECRET_WRONG, Finding, Verdict

SOON = timedelta(days=7)
"""A key that expires earlier than this is noted."""

NO_ADDRESSES_TOLD = "The exchange does not tell whether the key is limited to addresses. Limit it to ours there."
EXPIRED = "This key has expired. Make a new one at the exchange that may trade and not withdraw, then connect that."

Json = bool | int | float | str | list[Any] | dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange did not accept the key, its signature, its address or the question; `code` is its own code."""

    code: str = ""


@dataclass(frozen=True, slots=True)
class Away:
    """Throttled, unreachable, in maintenance, or any other answer that says nothing about the key."""


Told = Json | Refused | Away


class Means(Enum):
    """What a refusal means. The value is said to the user."""

    KEY = KEY_UNKNOWN
    SECRET = SECRET_WRONG
    PASSPHRASE = "The passphrase does not belong to this key. Enter the one that was chosen when the key was made."
    ADDRESS = "The exchange does not let this key in from our addresses. Add them to the addresses of the key there."
    EXPIRED = EXPIRED
    STOPPED = "The exchange has restricted this account or locked the key. Ask the exchange why, then connect it again."
    LATER = AWAY
    UNTOLD = "The exchange does not answer this question to this key."


@dataclass(frozen=True, slots=True)
class Question:
    """One question, by the name of ccxt's implicit method.

    :param params: a value in braces is filled in by the caller: ``{apiKey}`` and ``{walletAddress}`` are credentials,
        ``{signer}`` is the address of the private key, any other name is what an earlier question `gives`
    :param gives: name and field: later questions may ask with that field of the answer
    :param ccxt: ccxt's class, where it is not the one of the exchange's own code
    """

    method: str
    params: Mapping[str, str] = field(default_factory=dict)
    gives: tuple[str, str] | None = None
    ccxt: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """Whom the answers are about.

    :param key: the public part of the key, whole or its last characters; of a wallet, the address of the private key
    :param account: the account's address, where the exchange is a chain
    """

    now: datetime
    key: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a key may do. None: the exchange does not tell.

    :param limited: to addresses
    :param unknown: a right is named that is not known here
    :param stopped: the exchange names the key, and says that it is locked or switched off
    :param note: a remark that belongs to this key or exchange
    """

    spot: bool | None
    futures: bool | None
    withdraw: bool | None
    transfer: bool | None
    limited: bool | None
    expires: datetime | None = None
    unknown: bool = False
    stopped: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """What to do at one exchange: two sentences each, the first says what is wrong."""

    withdraw: str
    transfer: str
    trade: str
    confirm: str


Reading = Callable[[Sequence[Json], About], "Rights | Verdict | None"]


@dataclass(frozen=True, slots=True)
class Checker:
    """Asks an exchange what a key may do, and judges the answers.

    :param codes: of the exchanges it serves, as ccxt calls them
    :param questions: in the order they are asked; none where the exchange cannot be asked
    :param read: the rights in the answers; None where they are not what was documented. A question that was refused
        as untold is read as None
    :param refusals: what the exchange's codes mean; a code that is not named refuses the key
    :param futures_only: whether a key that may trade spot alone is of no use here
    """

    codes: tuple[str, ...]
    questions: tuple[Question, ...]
    words: Words
    read: Reading
    refusals: Mapping[str, Means] = field(default_factory=dict)
    futures_only: bool = False

    def verdict(self, answers: Sequence[Told], about: About) -> Verdict:
        """The verdict on a key.

        :param answers: one for each question, in their order; fewer where asking was given up
        """
        read: list[Json] = []
        for told in answers:
            if isinstance(told, Refused):
                means = self.refusals.get(told.code, Means.KEY)
                if means is not Means.UNTOLD:
                    return Verdict(Finding.AWAY if means is Means.LATER else Finding.BAD, means.value)
                read.append(None)
            elif isinstance(told, Away):
                return Verdict(Finding.AWAY, AWAY)
            else:
                read.append(told)
        if len(read) < len(self.questions):
            return Verdict(Finding.AWAY, AWAY)
        found = self.read(read, about)
        if isinstance(found, Verdict):
            return found
        return self._judged(found or Rights(None, None, None, None, None), about)

    def _judged(self, rights: Rights, about: About) -> Verdict:
        trade = rights.futures if self.futures_only else _either(rights.spot, rights.futures)
        permissions: dict[str, object] = {
            "trade": trade,
            "spot": rights.spot,
            "futures": rights.futures,
            "withdraw": rights.withdraw,
            "transfer": rights.transfer,
            "ip_restricted": rights.limited,
            "note": _note(rights, about.now),
        }
        if rights.expires is not None:
            permissions["expires_at"] = rights.expires.isoformat()
        for wrong, words in (
            (rights.withdraw, self.words.withdraw),
            (rights.transfer, self.words.transfer),
            (rights.stopped, Means.STOPPED.value),
            (rights.expires is not None and rights.expires <= about.now, EXPIRED),
            (trade is False, self.words.trade),
        ):
            if wrong:
                return Verdict(Finding.BAD, words, permissions)
        told = rights.withdraw is False and rights.transfer is False and trade is True
        if rights.unknown or not told:
            return Verdict(Finding.AMBER, self.words.confirm, permissions)
        return Verdict(Finding.GOOD, permissions=permissions)


def _either(one: bool | None, other: bool | None) -> bool | None:
    if one or other:
        return True
    return None if one is None or other is None else False


def _note(rights: Rights, now: datetime) -> str:
    notes = [rights.note] if rights.note else []
    if rights.withdraw is None:
        notes.append(NOT_TOLD)
    elif rights.limited is False:
        notes.append(ANYWHERE)
    elif rights.limited is None and not rights.note:
        notes.append(NO_ADDRESSES_TOLD)
    if rights.expires is not None and rights.expires - now < SOON:
        notes.append(f"The key expires on {rights.expires:%Y-%m-%d}. Make a new one before that.")
    return " ".join(notes)
