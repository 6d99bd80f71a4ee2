"""The reader's own page: the name, and how signing in is secured."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from obscura.web.forms import NameForm
from obscura.web.pages import page


@page
def profile(request: HttpRequest) -> HttpResponse:
    """``/profile/``."""
    user: Any = request.user
    form = NameForm(request.POST if request.method == "POST" else None, initial={"name": user.name})
    if request.method == "POST" and form.is_valid():
        user.name = form.cleaned_data["name"]
        user.save(update_fields=["name"])
        messages.success(request, "Saved.")
        return redirect("web:profile")
    context = {
        "form": form,
        "email": user.email,
        "email_verified": EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists(),
        "security": _security(user),
        "nav": "profile",
    }
    return render(request, "settings/profile.html", context, status=422 if form.errors else 200)


def _security(user: Any) -> dict[str, Any]:
    found = list(Authenticator.objects.filter(user=user))
    codes = next((one for one in found if one.type == Authenticator.Type.RECOVERY_CODES), None)
    return {
        "passkeys": sum(one.type == Authenticator.Type.WEBAUTHN for one in found),
        "authenticator": any(one.type == Authenticator.Type.TOTP for one in found),
        "recovery_codes": None if codes is None else len(codes.wrap().get_unused_codes()),
    }
