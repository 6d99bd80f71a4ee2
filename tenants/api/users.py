"""The partner API's end users."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from obscura.core.http.strict import Strict
from tenants import people
from tenants.access.partner import PartnerView
from tenants.types import PersonRef


class UserRequest(Strict):
    """An end user; `external_ref` is the partner's own name for him."""

    external_ref = serializers.CharField(max_length=120)
    email = serializers.EmailField(required=False, allow_null=True)


class UserShape(serializers.Serializer):
    """An end user."""

    id = serializers.UUIDField()
    external_ref = serializers.CharField(allow_null=True)
    email = serializers.EmailField(allow_null=True)
    created_at = serializers.DateTimeField()


class UsersView(PartnerView):
    """End users of the tenant."""

    @extend_schema(request=UserRequest, responses={201: UserShape, 200: UserShape}, tags=["users"])
    def post(self, request: Request) -> Response:
        """Make an end user; the same reference and e-mail again give the same one, with 200."""
        wanted = UserRequest.read(request)
        made, new = people.make_person(
            external_ref=wanted["external_ref"], email=wanted.get("email") or "", actor=str(request.user)
        )
        return Response(_shape(made), status=201 if new else 200)


class UserView(PartnerView):
    """One end user."""

    @extend_schema(responses=UserShape, tags=["users"])
    def get(self, request: Request, user_id: UUID) -> Response:
        return Response(_shape(people.person(user_id)))


def _shape(one: PersonRef) -> dict[str, object]:
    return {
        "id": one.id,
        "external_ref": one.external_ref or None,
        "email": one.email or None,
        "created_at": one.created_at,
    }


app_name = "users"
urlpatterns = [
    path("v2/users", UsersView.as_view(), name="users"),
    path("v2/users/<uuid:user_id>", UserView.as_view(), name="user"),
]
