"""A partner's signal as it comes in: every field read strictly, every fault named by its field."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

import orjson

from obscura.core import money
from obscura.core.errors import Invalid
from trading.domain import priorities

PLATFORMS = {"spot": "spot", "futures": "usdm"}
MAX_TEXT = 100
MAX_METADATA_BYTES = 4096
MAX_METADATA_DEPTH = 8
MAX_DIGITS, MAX_PLACES = 38, 18
PERCENT_PLACES = 4
MOST_LEVERAGE = 125

_WIDE = Context(prec=60)
_WORD = re.compile(r"[\x21-\x7e]{1,100}")
_SYMBOL = re.compile(r"[A-Z0-9]{2,20}(?:/[A-Z0-9]{2,12})?")


class SignalInvalid(Invalid):
    """The signal is not valid."""

    code = "signal_invalid"
    remedy = "Correct the fields named in details and send the signal again."


@dataclass(frozen=True, slots=True)
class SignalRequest:
    """What a partner asks for. `market` is spot or usdm; a missing `external_trade_id` means: this once."""

    symbol: str
    side: str
    quantity: Decimal
    order_type: str = "market"
    price: Decimal | None = None
    exchange: str = "binance"
    market: str = "spot"
    leverage: int | None = None
    margin_mode: str | None = None
    stop_loss_pct: Decimal | None = None
    take_profit_pct: Decimal | None = None
    priority: int = priorities.NORMAL
    execute_immediately: bool = True
    external_trade_id: str | None = None
    source_trader_id: UUID | None = None
    external_trader_ref: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over what was asked, independent of the order of keys and the spelling of numbers."""
        said = {one.name: _plain(getattr(self, one.name)) for one in fields(self)}
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=_plain)).hexdigest()

    @property
    def kept(self) -> dict[str, Any]:
        """What is stored beside the signal: the terms nobody acts on yet, and the partner's own metadata."""
        named = ("margin_mode", "external_trader_ref")
        said = {name: _plain(getattr(self, name)) for name in named if getattr(self, name) is not None}
        said["execute_immediately"] = self.execute_immediately
        if self.metadata:
            said["metadata"] = orjson.loads(orjson.dumps(dict(self.metadata), default=_plain))
        return said


def parse(data: object, *, default_priority: int = priorities.NORMAL) -> SignalRequest:
    """A signal from a decoded JSON body.

    :raises SignalInvalid: `details` has one sentence for each field that is wrong
    """
    if not isinstance(data, Mapping):
        raise SignalInvalid("A signal is a JSON object.")
    reader = _Reader(data)
    order_type = reader.choice("order_type", ("market", "limit"), "market")
    asked: dict[str, Any] = {
        "symbol": reader.symbol(),
        "side": reader.choice("side", ("buy", "sell"), None),
        "quantity": reader.number("quantity", required=True),
        "order_type": order_type,
        "price": reader.number("price", required=order_type == "limit"),
        "exchange": reader.choice("exchange", ("binance",), "binance"),
        "market": PLATFORMS[reader.choice("platform", tuple(PLATFORMS), "spot")],
        "leverage": reader.leverage(),
        "margin_mode": reader.choice("margin_mode", ("isolated", "cross"), ""),
        "stop_loss_pct": reader.number("stop_loss_pct", most=Decimal(100), places=PERCENT_PLACES),
        "take_profit_pct": reader.number("take_profit_pct", most=Decimal(10_000), places=PERCENT_PLACES),
        "priority": reader.priority(default_priority),
        "execute_immediately": reader.flag("execute_immediately", True),
        "external_trade_id": reader.word("external_trade_id"),
        "source_trader_id": reader.uuid("source_trader_id"),
        "external_trader_ref": reader.word("external_trader_ref"),
        "metadata": reader.metadata(),
    }
    if unknown := sorted(str(name)[:40] for name in data.keys() - _NAMES):
        reader.wrong |= dict.fromkeys(unknown[:10], "is not a field of a signal")
    if reader.wrong:
        raise SignalInvalid(details=reader.wrong)
    asked["margin_mode"] = asked["margin_mode"] or None
    return SignalRequest(**asked)


_NAMES = {one.name for one in fields(SignalRequest)} - {"market"} | {"platform"}


class _Reader:
    """Reads fields and collects what is wrong with them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.wrong: dict[str, str] = {}

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None) -> str:
        value = self.data.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in allowed:
            self.wrong[name] = f"must be {' or '.join(allowed)}"
            return default or allowed[0]
        return value

    def symbol(self) -> str:
        value = self.data.get("symbol")
        if not isinstance(value, str) or not _SYMBOL.fullmatch(value):
            self.wrong["symbol"] = "must be like BTCUSDT or BTC/USDT"
            return ""
        return value.replace("/", "")

    def number(
        self, name: str, *, required: bool = False, most: Decimal | None = None, places: int = MAX_PLACES
    ) -> Decimal | None:
        value = self.data.get(name)
        if value is None:
            if required:
                self.wrong[name] = "is required"
            return None
        found = money.parse(value) if not isinstance(value, str) or len(value) <= 64 else None
        if found is None:
            self.wrong[name] = "must be a decimal number"
        elif found <= 0:
            self.wrong[name] = "must be above zero"
        elif not _fits(found):
            self.wrong[name] = f"may have {MAX_DIGITS - MAX_PLACES} digits before and {MAX_PLACES} behind the point"
        elif found != found.quantize(Decimal(1).scaleb(-places), context=_WIDE):
            self.wrong[name] = f"may have {places} digits behind the point"
        elif most is not None and found > most:
            self.wrong[name] = f"may be at most {most}"
        else:
            return found
        return None

    def leverage(self) -> int | None:
        value = self.data.get("leverage")
        if value is None:
            return None
        found = money.parse(value)
        if found is None or found != found.to_integral_value() or not 1 <= found <= MOST_LEVERAGE:
            self.wrong["leverage"] = f"must be a whole number from 1 to {MOST_LEVERAGE}"
            return None
        return int(found)

    def priority(self, default: int) -> int:
        value = self.data.get("priority")
        if value is None:
            return default
        if not isinstance(value, str) or value not in priorities.BY_NAME:
            self.wrong["priority"] = f"must be {' or '.join(priorities.BY_NAME)}"
            return default
        return priorities.BY_NAME[value]

    def flag(self, name: str, default: bool) -> bool:
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong[name] = "must be true or false"
            return default
        return value

    def word(self, name: str) -> str | None:
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            self.wrong[name] = f"must be 1 to {MAX_TEXT} printable ASCII characters without spaces"
            return None
        return value

    def uuid(self, name: str) -> UUID | None:
        value = self.data.get(name)
        if value is None:
            return None
        try:
            return UUID(value)
        except (ValueError, TypeError, AttributeError):
            self.wrong[name] = "must be a UUID"
            return None

    def metadata(self) -> dict[str, Any]:
        value = self.data.get("metadata")
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.wrong["metadata"] = "must be an object"
        elif _deeper(value, MAX_METADATA_DEPTH):
            self.wrong["metadata"] = f"may be {MAX_METADATA_DEPTH} levels deep"
        else:
            try:
                text = orjson.dumps(value, default=_plain)
            except (TypeError, ValueError):
                self.wrong["metadata"] = "must be plain JSON"
                return {}
            if len(text) > MAX_METADATA_BYTES:
                self.wrong["metadata"] = f"may have {MAX_METADATA_BYTES} bytes"
            elif b"\\u0000" in text:
                self.wrong["metadata"] = "may not contain the character NUL"
            else:
                return dict(value)
        return {}


def _fits(value: Decimal) -> bool:
    if value.adjusted() >= MAX_DIGITS - MAX_PLACES or value.adjusted() < -MAX_PLACES:
        return False
    exponent = value.normalize().as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MAX_PLACES


def _deeper(value: object, levels: int) -> bool:
    if levels == 0:
        return isinstance(value, Mapping | list) and bool(value)
    if isinstance(value, Mapping):
        return any(_deeper(one, levels - 1) for one in value.values())
    if isinstance(value, list):
        return any(_deeper(one, levels - 1) for one in value)
    return False


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return money.plain(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if value is None or isinstance(value, str | int | bool | float | list):
        return value
    raise TypeError(type(value).__name__)
