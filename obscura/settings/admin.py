"""Settings of the two admin sites: the platform's back office and each tenant's own."""

from __future__ import annotations

_SHARED = {
    "SITE_ICON": None,
    "SITE_SYMBOL": "visibility_off",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "obscura.ops.navigation.favicon"}],
    "COLORS": {
        "primary": {
            "50": "#fdf9ed",
            "100": "#f9eecb",
            "200": "#f3dc92",
            "300": "#ecc65a",
            "400": "#e3b23c",
            "500": "#d9a62e",
            "600": "#b98420",
            "700": "#91621c",
            "800": "#784f1e",
            "900": "#66421e",
            "950": "#3b220d",
        }
    },
}
UNFOLD = {**_SHARED, "SITE_TITLE": "Obscura", "SITE_HEADER": "Obscura"}
UNFOLD_BACK_OFFICE = {
    **_SHARED,
    "SITE_TITLE": "Obscura back office",
    "SITE_HEADER": "Back office",
    "SITE_SUBHEADER": "Obscura",
    "SITE_URL": None,  # the office has no site beside itself
    "SIDEBAR": {"show_search": True, "navigation": "obscura.ops.navigation.office"},
    "DASHBOARD_CALLBACK": "obscura.ops.office_overview.office",
}
UNFOLD_TENANT = {
    **_SHARED,
    "SITE_TITLE": "tenants.admin.site_title",
    "SITE_HEADER": "tenants.admin.site_title",
    "SITE_SUBHEADER": "Administration",
    "SIDEBAR": {"show_search": True, "navigation": "obscura.ops.navigation.tenant"},
    "DASHBOARD_CALLBACK": "obscura.ops.tenant_overview.tenant",
}
FORMAT_MODULE_PATH = ["obscura.formats"]
