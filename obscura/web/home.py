"""The first page: what this is, for whoever is not signed in; the pools, for whoever is."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render


def home(request: HttpRequest) -> HttpResponse:
    """``/``."""
    if request.user.is_authenticated:
        return redirect("web:pools")
    return render(request, "landing.html", {"signup_open": get_adapter(request).is_open_for_signup(request)})
