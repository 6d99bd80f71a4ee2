"""Tokens that mean something in one schema only: bearer tokens of people, and password-reset links."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from obscura.core.http.errors import Unauthenticated
from tenants.scope import current

TENANT, PASSWORD = "tenant", "pw"  # claims


class TokenRefused(Unauthenticated):
    """This token is not valid here, or not any more."""

    code = "token_refused"
    remedy = "Sign in again at /api/v1/auth/login."


class Pair(NamedTuple):
    """A short access token and the refresh token that gets the next pair."""

    access: str
    refresh: str


def issue(user: Any) -> Pair:
    """A pair for a person of the present schema."""
    refresh = RefreshToken.for_user(user)
    refresh[TENANT] = current()
    refresh[PASSWORD] = _password_mark(user)
    return Pair(access=str(refresh.access_token), refresh=str(refresh))


def bearer_of(access: str) -> Any:
    """The person an access token speaks for.

    :raises TokenRefused: expired, forged, of another tenant, or older than the password
    """
    try:
        return _person(AccessToken(access))  # type: ignore[arg-type]
    except TokenError as error:
        raise TokenRefused from error


def renew(refresh: str) -> Pair:
    """A new pair for a refresh token, which is worth nothing afterwards.

    :raises TokenRefused: as `bearer_of`; one that comes a second time ends all tokens of its person
    """
    token = _refresh(refresh)
    user = _person(token)
    with transaction.atomic():
        first: bool = token.blacklist()[1]  # type: ignore[index]
        if first:
            return issue(user)
    end_all(user)
    raise TokenRefused


def end(refresh: str) -> None:
    """Make a refresh token worth nothing. Repeating it changes nothing.

    :raises TokenRefused: it is not valid here
    """
    token = _refresh(refresh)
    _person(token)
    token.blacklist()


def end_all(user: Any) -> None:
    """Make all refresh tokens of a person worth nothing."""
    from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

    open_ones = OutstandingToken.objects.filter(user=user, blacklistedtoken=None)
    BlacklistedToken.objects.bulk_create([BlacklistedToken(token=one) for one in open_ones], ignore_conflicts=True)


class _Refresh(RefreshToken):
    def check_blacklist(self) -> None:
        """`renew` does it, since a token that comes a second time means more than one that never was any good."""


def _refresh(text: str) -> RefreshToken:
    try:
        return _Refresh(text)  # type: ignore[arg-type]
    except TokenError as error:
        raise TokenRefused from error


def _person(token: Any) -> Any:
    if token.get(TENANT) != current():
        raise TokenRefused
    user = get_user_model().objects.filter(pk=token.get("user_id"), is_active=True).first()
    if user is None or token.get(PASSWORD) != _password_mark(user):
        raise TokenRefused
    return user


def _password_mark(user: Any) -> str:
    """Changes with the password and with the schema, and says nothing about either."""
    return str(user.get_session_auth_hash())[:32]


class ResetTokens(PasswordResetTokenGenerator):
    """Password-reset links: void after use, after a change of e-mail, and in every other schema."""

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        from allauth.account.models import EmailAddress

        emails = {user.email, *EmailAddress.objects.filter(user_id=user.pk).values_list("email", flat=True)}
        return f"{current()}|{super()._make_hash_value(user, timestamp)}|{'|'.join(sorted(emails))}"
