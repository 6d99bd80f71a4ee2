"""Letting people in through the API, by the same rules as through the pages: confirmed e-mail, second factor."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows import email_verification
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter as mfa_adapter
from allauth.mfa.models import Authenticator
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from obscura.core.errors import Forbidden
from obscura.core.http.errors import Unauthenticated


class WrongCredentials(Unauthenticated):
    """E-mail and password do not belong together here."""

    code = "wrong_credentials"
    remedy = "Check both. People of one service are not known at another."


class EmailUnconfirmed(Forbidden):
    """This e-mail is not confirmed yet."""

    code = "email_unconfirmed"
    remedy = "Follow the link in the mail that was just sent."


class CodeWanted(Forbidden):
    """A second factor is set up for this account."""

    code = "code_wanted"
    remedy = "Send the present code of your app, or a recovery code, as `code`."


def admit(request: HttpRequest, *, email: str, password: str, code: str = "") -> Any:
    """The person behind an e-mail and a password.

    :raises WrongCredentials: they do not belong together
    :raises EmailUnconfirmed: a new link was sent
    :raises CodeWanted: a second factor is set up and `code` is missing or wrong
    """
    user = authenticate(request, email=email, password=password)
    if user is None:
        raise WrongCredentials
    address = EmailAddress.objects.filter(user=user, email__iexact=email).first()
    if address is None or not address.verified:
        if address is not None:
            email_verification.send_verification_email_to_address(request, address)
        raise EmailUnconfirmed
    if mfa_adapter().is_mfa_enabled(user) and not code_fits(user, code):
        raise CodeWanted
    return user


def code_fits(user: Any, code: str) -> bool:
    """Whether this is the present code of one of a person's second factors, or a recovery code, which it uses up."""
    kinds = [Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES]
    factors = Authenticator.objects.filter(user=user, type__in=kinds) if code else []
    for factor in factors:
        if factor.wrap().validate_code(code):
            factor.record_usage()
            return True
    return False


def register(request: HttpRequest, *, email: str, password: str, name: str) -> None:
    """Make a person and send a confirmation link. Who is known already gets a mail that says so, and nothing else.

    :raises django.core.exceptions.ValidationError: the password is too weak
    """
    email = email.lower()
    users = get_user_model().objects
    validate_password(password, get_user_model()(email=email, name=name))
    try:
        with transaction.atomic():
            user = users.create_user(email, password, name=name)
            address = EmailAddress.objects.create(user=user, email=email, primary=True, verified=False)
    except IntegrityError:
        address = EmailAddress(user=None, email=email)
    email_verification.send_verification_email_to_address(request, address, signup=True)
