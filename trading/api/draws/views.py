"""How the order of a pool's followers was drawn."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from obscura.core.errors import Invalid
from pools import services as pools
from tenants.access.partner import PartnerView
from trading.draws import Commitment, Drawn, draws_of


class DrawsInvalid(Invalid):
    """The question is not valid."""

    code = "draws_invalid"
    remedy = "Give limit (1 to 100), before (a number) and subscription_id (sub_12), or leave them out."


class CommitmentShape(serializers.Serializer):
    """The anchor of the seeds of the signals from `first` to `last`, in the pool's own numbers."""

    commitment = serializers.CharField()
    first = serializers.IntegerField()
    last = serializers.IntegerField()
    revision = serializers.IntegerField(help_text="Above 0: an earlier commitment could not be kept.")
    published_at = serializers.DateTimeField()


class DrawShape(serializers.Serializer):
    """One draw: what ``python -m trading.domain.draw`` checks."""

    signal_id = serializers.CharField()
    number = serializers.IntegerField()
    index = serializers.IntegerField(help_text="So many times hashed, the seed gives the commitment.")
    commitment = serializers.CharField()
    published_at = serializers.DateTimeField()
    symbol = serializers.CharField()
    side = serializers.CharField()
    effect = serializers.CharField()
    lead_at = serializers.DateTimeField()
    followers = serializers.IntegerField()
    start = serializers.IntegerField(help_text="Which follower the walk began with, by subscription, from 0.")
    seed = serializers.CharField(allow_null=True, help_text="Null until it and all earlier signals are planned.")
    rank = serializers.IntegerField(allow_null=True, help_text="How many subscribed before the one asked for.")
    place = serializers.IntegerField(allow_null=True, help_text="When the one asked for was served, from 1.")


class DrawsShape(serializers.Serializer):
    """Commitments in force and past draws, newest first."""

    commitments = CommitmentShape(many=True)
    results = DrawShape(many=True)
    before = serializers.IntegerField(allow_null=True, help_text="Give it back for older ones.")


class DrawsView(PartnerView):
    """Draws of a pool."""

    @extend_schema(
        operation_id="pool_draws",
        responses=DrawsShape,
        tags=["pools"],
        parameters=[OpenApiParameter(name, str) for name in ("limit", "before", "subscription_id")],
    )
    def get(self, request: Request, pool_id: UUID) -> Response:
        asked = request.query_params
        limit, before = _number(asked.get("limit")), _number(asked.get("before"))
        subscription = asked.get("subscription_id")
        whose = _number(subscription.removeprefix("sub_")) if subscription else None
        if pools.pool_of(pool_id=pool_id).kind == "custom":
            raise pools.PoolUnknown  # a user's own pool is nobody else's
        found = draws_of(pool_id, subscription_ids=[] if whose is None else [whose], before=before, limit=limit or 20)
        body = {
            "commitments": [_commitment(one) for one in found.commitments],
            "results": [_drawn(one) for one in found.drawn],
            "before": found.older,
        }
        return Response(body)


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise DrawsInvalid
    return int(text)


def _commitment(one: Commitment) -> dict[str, Any]:
    told = asdict(one)
    return {"commitment": told.pop("anchor"), **told}


def _drawn(one: Drawn) -> dict[str, Any]:
    mine = one.places[0] if one.places else None
    return {
        "signal_id": one.signal_id,
        "number": one.seq,
        "index": one.index,
        "commitment": one.commitment.anchor,
        "published_at": one.commitment.published_at,
        "symbol": one.symbol,
        "side": one.side,
        "effect": one.effect,
        "lead_at": one.lead_at,
        "followers": one.followers,
        "start": one.start,
        "seed": one.seed,
        "rank": mine and mine.rank,
        "place": mine and mine.place,
    }
