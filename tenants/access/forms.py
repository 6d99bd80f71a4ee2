"""How staff enter the admin sites: as everybody does, with the second factor where one is set up."""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import get_adapter as mfa_adapter
from django import forms
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from tenants.access.entrance import code_fits


class StaffEntrance(AuthenticationForm):  # type: ignore[misc]
    """E-mail, password and, for those who have one, the code of a second factor."""

    code = forms.CharField(
        required=False,
        max_length=32,
        label="Code",
        help_text="Of your app, or a recovery code. Leave it empty where no second factor is set up.",
        # The field stands outside of the form that the template draws, and belongs to it all the same.
        widget=UnfoldAdminTextInputWidget(attrs={"form": "login-form", "autocomplete": "one-time-code"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        user = self.get_user()
        if user is not None and mfa_adapter().is_mfa_enabled(user) and not code_fits(user, cleaned.get("code", "")):
            raise self.get_invalid_login_error()
        return cleaned
