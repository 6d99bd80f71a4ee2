"""What touches positions of a subscription: stop it for good, and bring it in line with its leads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from obscura.core.http.strict import Amount, Strict
from pools import services as pools
from tenants.access.partner import PartnerView
from trading import services as trading


class UnfollowRequest(Strict):
    """What becomes of what is open: closed now, closed with the leads, or left in the account."""

    close = serializers.ChoiceField(choices=["now", "follow", "leave"])


class UnfollowedShape(serializers.Serializer):  # type: ignore[type-arg]
    """Where it stands now; `closing` ends by itself when nothing is open any more."""

    id = serializers.CharField()
    pool_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["closing", "ended"])


class PositionShape(serializers.Serializer):  # type: ignore[type-arg]
    """A position that the leads or the subscription hold. Quantities are signed, below zero for a short."""

    key = serializers.CharField()
    symbol = serializers.CharField()
    market = serializers.ChoiceField(choices=["spot", "usdm"])
    lead = serializers.CharField()
    step = serializers.ChoiceField(choices=["open", "close", "keep", "wait"])
    lead_quantity = Amount()
    quantity = Amount()
    would_trade = Amount()
    cost_usd = Amount()
    price = Amount(allow_null=True)
    possible = serializers.BooleanField()
    closed_by_owner = serializers.BooleanField(help_text="Opened only where `reopen` names its key.")
    reason = serializers.CharField()


class PreviewShape(serializers.Serializer):  # type: ignore[type-arg]
    """What would be done, at present prices."""

    positions = PositionShape(many=True)
    estimated_cost_usd = Amount()


class ResyncRequest(Strict):
    """All positions, or those that are named."""

    positions = serializers.ListField(child=serializers.CharField(max_length=128), max_length=500, required=False)
    reopen = serializers.ListField(child=serializers.CharField(max_length=128), max_length=500, required=False)


class BegunShape(serializers.Serializer):  # type: ignore[type-arg]
    """How many orders or refusals will come of it."""

    begun = serializers.IntegerField()


class UnfollowView(PartnerView):
    """Stop a subscription for good."""

    @extend_schema(request=UnfollowRequest, responses=UnfollowedShape, tags=["subscriptions"])
    def post(self, request: Request, pool_id: UUID, subscription_id: str) -> Response:
        wanted = UnfollowRequest.read(request)
        one = _mine_to_change(request, pool_id, subscription_id)
        left = trading.unfollow(
            subscription_id=one.id, user_id=one.user_id, close=wanted["close"], actor=str(request.user)
        )
        return Response({"id": f"sub_{left.id}", "pool_id": left.pool_id, "status": left.status})


class ResyncView(PartnerView):
    """Bring a subscription in line with its leads."""

    @extend_schema(operation_id="resync_preview", responses=PreviewShape, tags=["subscriptions"])
    def get(self, request: Request, pool_id: UUID, subscription_id: str) -> Response:
        one = pools.subscription_named(pool_id=pool_id, name=subscription_id)
        lines = trading.resync_preview(subscription_id=one.id, user_id=one.user_id)
        shown = [_position(line) for line in lines]
        return Response({"positions": shown, "estimated_cost_usd": trading.estimated(lines)})

    @extend_schema(operation_id="resync", request=ResyncRequest, responses={202: BegunShape}, tags=["subscriptions"])
    def post(self, request: Request, pool_id: UUID, subscription_id: str) -> Response:
        wanted = ResyncRequest.read(request)
        one = _mine_to_change(request, pool_id, subscription_id)
        begun = trading.resync(
            subscription_id=one.id,
            user_id=one.user_id,
            reopen=wanted.get("reopen", ()),
            only=wanted.get("positions"),
            actor=str(request.user),
        )
        return Response({"begun": begun}, status=202)


def _mine_to_change(request: Request, pool_id: UUID, name: str) -> pools.SubscriptionRef:
    holder: Any = request.auth
    return pools.subscription_named(pool_id=pool_id, name=name, paper_only=holder.environment == "test")


def _position(line: trading.Position) -> dict[str, object]:
    return {
        "key": line.key,
        "symbol": line.symbol,
        "market": line.market,
        "lead": line.lead,
        "step": line.step,
        "lead_quantity": line.lead_qty,
        "quantity": line.qty,
        "would_trade": line.would,
        "cost_usd": line.cost,
        "price": line.price,
        "possible": line.possible,
        "closed_by_owner": line.asks,
        "reason": line.reason,
    }
