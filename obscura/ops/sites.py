"""The two admin sites. Apps register themselves through ``register_office(site)`` and ``register_tenant(site)``."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.apps import apps
from django.http import HttpRequest, HttpResponse
from unfold.sites import UnfoldAdminSite

from obscura.apps import OURS
from obscura.core.http import errors
from obscura.core.http.throttling import address
from obscura.core.ratelimit import Rate, take
from tenants.access.forms import StaffEntrance
from tenants.scope import current

# Its scripts evaluate expressions and write inline styles. Nothing else may, so these pages alone are relaxed.
_relaxed = csp_update({"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE], "img-src": ["blob:"]})


SIGN_INS = Rate(limit=5, seconds=60)


def _may_try(request: HttpRequest) -> bool:
    bucket = f"staff:{current()}:{address(request)}"
    return take(bucket, rate=SIGN_INS, without_redis=False).allowed


class _Site(UnfoldAdminSite):  # type: ignore[misc]
    enable_nav_sidebar = True
    login_form = StaffEntrance
    login_template = "admin/obscura/login.html"

    def __init__(self, name: str, hook: str) -> None:
        super().__init__(name)
        self._hook, self._filled = hook, False

    def fill(self) -> None:
        """Let every app of ours register what it has for this site; once."""
        if self._filled:
            return
        self._filled = True
        for config in apps.get_app_configs():
            name = f"{config.name}.admin"
            if config.name.partition(".")[0] in OURS and find_spec(name):
                register = getattr(importlib.import_module(name), self._hook, None)
                if register is not None:
                    register(self)

    @property
    def urls(self) -> Any:
        self.fill()
        return super().urls

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return _relaxed(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if request.method == "POST" and not _may_try(request):
            return errors.answer(request, errors.TooManyRequests())
        answered: Any = _relaxed(super().login)
        return answered(request, extra_context)  # type: ignore[no-any-return]


class BackOffice(_Site):
    """The platform's staff, on the office host, in the public schema."""

    settings_name = "UNFOLD_BACK_OFFICE"
    index_title = "Overview"
    index_template = "admin/obscura/office_index.html"


class TenantSite(_Site):
    """A tenant's staff, at /admin/ of each of its hosts, in its schema."""

    settings_name = "UNFOLD_TENANT"
    index_title = "Overview"
    index_template = "admin/obscura/tenant_index.html"


office = BackOffice("office", "register_office")
tenant = TenantSite("tenant", "register_tenant")
