"""What the partner API reads and writes about subscriptions, and how its names become terms and styles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from billing.types import ShareRef
from obscura.core.http.strict import Amount, Strict
from pools import services as pools
from pools.domain.style import FIXED, PLAIN, SIZINGS, Advanced, Martingale, Pair, dump
from pools.domain.style_faults import LEAST_TIMES, MOST_LEVELS, MOST_TIMES, rungs
from pools.domain.terms import CENT, FixedAmount

AMOUNTS = {
    "total_investment": "total_investment_usd",
    "max_loss": "max_loss_usd",
    "profit_target": "profit_target_usd",
    "daily_loss_limit": "daily_loss_limit_usd",
}
LADDER = {
    "multiplier": "martingale_multiplier",
    "levels": "martingale_max_levels",
    "cap_usd": "martingale_cap_usd",
}


class PairTermsRequest(Strict):
    """What one pair does differently. `amount_usd` is the size of each copy; percentages are of the entry's price."""

    amount_usd = Amount(required=False, allow_null=True)
    sizing = serializers.ChoiceField(choices=SIZINGS, required=False, allow_null=True)
    value = Amount(required=False, allow_null=True)
    stop_loss_pct = Amount(required=False, allow_null=True)
    take_profit_pct = Amount(required=False, allow_null=True)
    trailing_pct = Amount(required=False, allow_null=True)
    leverage_long = serializers.IntegerField(required=False, allow_null=True)
    leverage_short = serializers.IntegerField(required=False, allow_null=True)
    max_usd = Amount(required=False, allow_null=True)
    max_slippage_bps = serializers.IntegerField(required=False, allow_null=True)


class StyleRequest(Strict):
    """Everything beside the amounts; what is left out is the pool's. With null a rule is taken away."""

    per_pair_config = serializers.DictField(
        child=PairTermsRequest(),
        required=False,
        help_text="By symbol (BTCUSDT). Where it is given, only these are copied.",
    )
    enable_martingale = serializers.BooleanField(required=False)
    martingale_multiplier = Amount(required=False, allow_null=True)
    martingale_max_levels = serializers.IntegerField(required=False, allow_null=True)
    martingale_cap_usd = Amount(required=False, allow_null=True, help_text="Usually the whole investment.")
    sizing = serializers.ChoiceField(choices=SIZINGS, required=False)
    value = Amount(required=False, allow_null=True, help_text="Of the sizing: USD, a factor or a percentage.")
    reserve_pct = Amount(required=False)
    leverage_long = serializers.IntegerField(required=False, allow_null=True)
    leverage_short = serializers.IntegerField(required=False, allow_null=True)
    max_positions = serializers.IntegerField(required=False, allow_null=True)
    max_pair_usd = Amount(required=False, allow_null=True)
    max_exposure_usd = Amount(required=False, allow_null=True)
    stop_loss_pct = Amount(required=False, allow_null=True)
    take_profit_pct = Amount(required=False, allow_null=True)
    trailing_pct = Amount(required=False, allow_null=True)
    max_slippage_bps = serializers.IntegerField(required=False, allow_null=True)
    signal_ttl_s = serializers.IntegerField(required=False, allow_null=True)
    allow = serializers.ListField(child=serializers.CharField(max_length=32), max_length=500, required=False)
    deny = serializers.ListField(child=serializers.CharField(max_length=32), max_length=500, required=False)
    burst_opens = serializers.IntegerField(required=False, allow_null=True)
    burst_ms = serializers.IntegerField(required=False, allow_null=True)
    equity_stop_pct = Amount(required=False, allow_null=True)
    equity_stop_trailing = serializers.BooleanField(required=False)
    keep_open = serializers.BooleanField(required=False)


class SubscribeRequest(Strict):
    """Follow with a fixed amount. The daily limit and the target may be left out."""

    subscription_mode = serializers.ChoiceField(choices=["fixed_amount"])
    user_id = serializers.UUIDField()
    exchange_account_id = serializers.UUIDField()
    total_investment_usd = Amount()
    max_loss_usd = Amount()
    profit_target_usd = Amount(required=False, allow_null=True)
    daily_loss_limit_usd = Amount(required=False, allow_null=True)


class AdvancedSubscribeRequest(StyleRequest):
    """Follow with a style of one's own.

    Without `total_investment_usd` it is the sum of the pairs' amounts with their full martingale ladders; without
    `max_loss_usd` all of it may be lost.
    """

    subscription_mode = serializers.ChoiceField(choices=["advanced"])
    user_id = serializers.UUIDField()
    exchange_account_id = serializers.UUIDField()
    total_investment_usd = Amount(required=False, allow_null=True)
    max_loss_usd = Amount(required=False, allow_null=True)
    profit_target_usd = Amount(required=False, allow_null=True)
    daily_loss_limit_usd = Amount(required=False, allow_null=True)


class ChangeRequest(StyleRequest):
    """What shall change; what is left out stays. ``"subscription_mode": "fixed_amount"`` takes the style away."""

    subscription_mode = serializers.ChoiceField(choices=["fixed_amount", "advanced"], required=False)
    total_investment_usd = Amount(required=False)
    max_loss_usd = Amount(required=False)
    profit_target_usd = Amount(required=False, allow_null=True)
    daily_loss_limit_usd = Amount(required=False, allow_null=True)


class PairTermsShape(serializers.Serializer):  # type: ignore[type-arg]
    """What one pair does differently; what it does not set is left out."""

    amount_usd = Amount(required=False)
    sizing = serializers.CharField(required=False)
    value = Amount(required=False)
    stop_loss_pct = Amount(required=False)
    take_profit_pct = Amount(required=False)
    trailing_pct = Amount(required=False)
    leverage_long = serializers.IntegerField(required=False)
    leverage_short = serializers.IntegerField(required=False)
    max_usd = Amount(required=False)
    max_slippage_bps = serializers.IntegerField(required=False)


class SubscriptionShape(serializers.Serializer):  # type: ignore[type-arg]
    """A subscription. Of its style, what is set is there, under the names with which it was sent."""

    id = serializers.CharField()
    pool_id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    exchange_account_id = serializers.UUIDField()
    subscription_mode = serializers.ChoiceField(choices=["fixed_amount", "advanced"])
    status = serializers.ChoiceField(choices=["active", "paused", "closing", "ended"])
    status_reason = serializers.CharField(help_text="Why it is not active, in words; may be empty.")
    stopped_by = serializers.CharField(help_text="Which limit paused it; empty where none did.")
    total_investment_usd = Amount()
    max_loss_usd = Amount()
    profit_target_usd = Amount(allow_null=True)
    daily_loss_limit_usd = Amount(allow_null=True)
    in_use_usd = Amount()
    realised_usd = Amount()
    created_at = serializers.DateTimeField()
    per_pair_config = serializers.DictField(child=PairTermsShape(), required=False)
    enable_martingale = serializers.BooleanField(required=False)
    martingale_multiplier = Amount(required=False)
    martingale_max_levels = serializers.IntegerField(required=False)
    martingale_cap_usd = Amount(required=False)
    sizing = serializers.CharField(required=False)
    value = Amount(required=False)
    reserve_pct = Amount(required=False)
    leverage_long = serializers.IntegerField(required=False)
    leverage_short = serializers.IntegerField(required=False)
    max_positions = serializers.IntegerField(required=False)
    max_pair_usd = Amount(required=False)
    max_exposure_usd = Amount(required=False)
    stop_loss_pct = Amount(required=False)
    take_profit_pct = Amount(required=False)
    trailing_pct = Amount(required=False)
    max_slippage_bps = serializers.IntegerField(required=False)
    signal_ttl_s = serializers.IntegerField(required=False)
    allow = serializers.ListField(child=serializers.CharField(), required=False)
    deny = serializers.ListField(child=serializers.CharField(), required=False)
    burst_opens = serializers.IntegerField(required=False)
    burst_ms = serializers.IntegerField(required=False)
    equity_stop_pct = Amount(required=False)
    equity_stop_trailing = serializers.BooleanField(required=False)
    keep_open = serializers.BooleanField(required=False)


def shape(one: pools.SubscriptionRef) -> dict[str, object]:
    """A subscription as the API writes it."""
    return {
        "id": f"sub_{one.id}",
        "pool_id": one.pool_id,
        "user_id": one.user_id,
        "exchange_account_id": one.account_id,
        "subscription_mode": one.mode,
        "status": one.status,
        "status_reason": one.reason,
        "stopped_by": one.stopped_by,
        **{said: getattr(one.terms, name) for name, said in AMOUNTS.items()},
        "in_use_usd": one.invested + one.reserved,
        "realised_usd": one.realised,
        "created_at": one.created_at,
        **_style_shape(one.style),
    }


def style_from(said: Mapping[str, Any], *, base: Advanced = PLAIN) -> Advanced:
    """The style that a request asks for, on top of `base`. Its martingale's cap is 0 until `settled` knows it.

    :raises TermsInvalid: an amount and a size of another kind for one pair, or a martingale without its figures
    """
    named = {one.name for one in fields(Advanced)} - {"pairs", "martingale", "allow", "deny"}
    given: dict[str, Any] = {name: said[name] for name in named & said.keys()}
    given |= {name: frozenset(said[name]) for name in ("allow", "deny") if name in said}
    if "per_pair_config" in said:
        given["pairs"] = {symbol: _pair(symbol, pair) for symbol, pair in said["per_pair_config"].items()}
        given.setdefault("allow", frozenset(given["pairs"]))
    return replace(base, martingale=_martingale(said, base.martingale), **given)


def settled(said: Mapping[str, Any], style: Advanced) -> tuple[FixedAmount, Advanced]:
    """Amounts and style of a new subscription, with what follows where something was left out.

    :raises TermsInvalid: there is nothing from which the investment could follow
    """
    total = said.get("total_investment_usd")
    if total is None:
        total = _sum_of_pairs(style)
    terms = FixedAmount(
        total,
        total if said.get("max_loss_usd") is None else said["max_loss_usd"],
        said.get("profit_target_usd"),
        said.get("daily_loss_limit_usd"),
    )
    return terms, capped(style, total)


def capped(style: Advanced, total: Decimal) -> Advanced:
    """The style with the martingale's cap, which is the investment where none was given."""
    steps = style.martingale
    if steps is None or steps.cap_usd:
        return style
    return replace(style, martingale=replace(steps, cap_usd=total.quantize(CENT)))


def in_api_names(problem: pools.TermsInvalid) -> pools.TermsInvalid:
    """The same refusal with fields as the API names them."""
    named: Any = problem.details["fields"]
    problem.details = {"fields": {_name(str(name)): words for name, words in named.items()}}
    return problem


def _sum_of_pairs(style: Advanced) -> Decimal:
    amounts = [pair.value for pair in style.pairs.values() if pair.sizing == FIXED and pair.value is not None]
    if not amounts or len(amounts) < len(style.pairs):
        words = "Give what may be invested in all, or an amount_usd for each pair."
        raise pools.TermsInvalid(details={"fields": {"total_investment": words}})
    if style.martingale is None:
        return sum(amounts, Decimal(0))
    return sum((rungs(style.martingale, first=amount)[-1].together for amount in amounts), Decimal(0))


def _pair(symbol: str, said: Mapping[str, Any]) -> Pair:
    amount, own = said.get("amount_usd"), {name: value for name, value in said.items() if name != "amount_usd"}
    if amount is None:
        return Pair(**own)
    if own.get("sizing") not in (None, FIXED) or own.get("value") not in (None, amount):
        words = "Give an amount, or a sizing with its value."
        raise pools.TermsInvalid(details={"fields": {f"pairs.{symbol}.value": words}})
    return Pair(**own | {"sizing": FIXED, "value": amount})


def _martingale(said: Mapping[str, Any], before: Martingale | None) -> Martingale | None:
    given = {name: said[field] for name, field in LADDER.items() if said.get(field) is not None}
    enabled = said.get("enable_martingale", before is not None)
    if not enabled:
        return None
    kept = {} if before is None else {name: getattr(before, name) for name in LADDER}
    known = {"cap_usd": Decimal(0), **kept, **given}
    missing = {f"martingale.{name}": "A martingale needs this figure." for name in LADDER if name not in known}
    if missing:
        raise pools.TermsInvalid(details={"fields": missing})
    if not 1 <= known["levels"] <= MOST_LEVELS:
        raise pools.TermsInvalid(details={"fields": {"martingale.levels": f"Use 1 to {MOST_LEVELS} levels."}})
    if not LEAST_TIMES <= known["multiplier"] <= MOST_TIMES:
        words = f"Multiply by {LEAST_TIMES} to {MOST_TIMES}."
        raise pools.TermsInvalid(details={"fields": {"martingale.multiplier": words}})
    return Martingale(**known)


def _style_shape(style: Advanced) -> dict[str, object]:
    said: dict[str, Any] = dump(style)
    pairs, steps = said.pop("pairs", None), said.pop("martingale", None)
    if pairs is not None:
        said["per_pair_config"] = {symbol: _pair_shape(pair) for symbol, pair in pairs.items()}
    if steps is not None:
        said |= {"enable_martingale": True, **{field: steps[name] for name, field in LADDER.items()}}
    return said


def _pair_shape(pair: dict[str, Any]) -> dict[str, Any]:
    if pair.get("sizing") != FIXED:
        return pair
    rest = {name: value for name, value in pair.items() if name not in ("sizing", "value")}
    return {"amount_usd": pair["value"], **rest}


def _name(field: str) -> str:
    head, _, rest = field.partition(".")
    if head == "martingale":
        return LADDER.get(rest, "enable_martingale")
    if head == "pairs" and rest:
        symbol, _, name = rest.rpartition(".")
        return f"per_pair_config.{symbol}.{'amount_usd' if name == 'value' else name}"
    return {"pairs": "per_pair_config", **AMOUNTS}.get(field, field)


class HaltRequest(Strict):
    """What becomes of what is open: closed now, or left to close with its lead."""

    close_positions = serializers.BooleanField()


class UserHaltShape(serializers.Serializer):
    """How many subscriptions a call changed, and how many are stopped now."""

    user_id = serializers.UUIDField()
    changed = serializers.IntegerField()
    stopped = serializers.IntegerField()


class ShareShape(serializers.Serializer):
    """A share of profit: `creator_usd` to whoever made the pool, `platform_usd` to the platform."""

    cause = serializers.ChoiceField(choices=["withdrawal", "month", "end"])
    result_usd = Amount()
    high_water_usd = Amount(help_text="The highest result that was charged before.")
    profit_usd = Amount()
    creator_usd = Amount()
    platform_usd = Amount()
    settled_at = serializers.DateTimeField()


class SharesShape(serializers.Serializer):
    """What is due, newest first. It is written down and not collected yet."""

    due_usd = Amount()
    collected = serializers.BooleanField()
    shares = ShareShape(many=True)


def shared(one: ShareRef) -> dict[str, Any]:
    """A share of profit as `ShareShape`."""
    return dict(
        ShareShape(
            {
                "cause": one.cause,
                "result_usd": one.result,
                "high_water_usd": one.high_water,
                "profit_usd": one.profit,
                "creator_usd": one.creator_usd,
                "platform_usd": one.platform_usd,
                "settled_at": one.at,
            }
        ).data
    )
