"""Sign-in for people who call the API: register, login, refresh, logout, me."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants.access import entrance, tokens
from tenants.access.authentication import Person
from tenants.access.permissions import IsPerson
from tenants.access.roles import roles_of
from tenants.access.throttles import Entering
from tenants.api.serializers import Entrance, MeShape, PairShape, Refresh, RegisteredShape, Registration


class _Door(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (Entering,)


def _answer(pair: tokens.Pair) -> Response:
    lifetime: Any = settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]
    return Response({"access": pair.access, "refresh": pair.refresh, "expires_in": int(lifetime.total_seconds())})


class RegisterView(_Door):
    """Become a user of this tenant."""

    @extend_schema(request=Registration, responses={201: RegisteredShape}, tags=["auth"])
    def post(self, request: Request) -> Response:
        wanted = Registration(data=request.data)
        wanted.is_valid(raise_exception=True)
        entrance.register(request._request, **wanted.validated_data)
        return Response({"email": wanted.validated_data["email"], "status": "verification_sent"}, status=201)


class LoginView(_Door):
    """Sign in for a pair of tokens."""

    @extend_schema(request=Entrance, responses=PairShape, tags=["auth"])
    def post(self, request: Request) -> Response:
        said = Entrance(data=request.data)
        said.is_valid(raise_exception=True)
        return _answer(tokens.issue(entrance.admit(request._request, **said.validated_data)))


class RefreshView(_Door):
    """Exchange a refresh token for a new pair; it works once."""

    @extend_schema(request=Refresh, responses=PairShape, tags=["auth"])
    def post(self, request: Request) -> Response:
        said = Refresh(data=request.data)
        said.is_valid(raise_exception=True)
        return _answer(tokens.renew(said.validated_data["refresh"]))


class LogoutView(_Door):
    """Make a refresh token worth nothing."""

    @extend_schema(request=Refresh, responses={204: None}, tags=["auth"])
    def post(self, request: Request) -> Response:
        said = Refresh(data=request.data)
        said.is_valid(raise_exception=True)
        tokens.end(said.validated_data["refresh"])
        return Response(status=204)


class MeView(APIView):
    """Who is signed in."""

    authentication_classes = Person.BY_TOKEN_OR_SESSION
    permission_classes = (IsPerson,)

    @extend_schema(responses=MeShape, tags=["auth"])
    def get(self, request: Request) -> Response:
        user: Any = request.user
        roles = sorted(roles_of(user))
        bare: Any = request._request
        tenant = bare.tenant.name
        return Response({"id": user.pk, "email": user.email, "name": user.name, "roles": roles, "tenant": tenant})
