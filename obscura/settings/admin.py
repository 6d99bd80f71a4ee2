"""Settings of the two admin sites: the platform's back office and each tenant's own."""

from __future__ import annotations

_SHARED = {
    "SITE_ICON": None,
    "SITE_SYMBOL": "visibility_off",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
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
}
UNFOLD_TENANT = {
    **_SHARED,
    "SITE_TITLE": "tenants.admin.site_title",
    "SITE_HEADER": "tenants.admin.site_title",
    "SITE_SUBHEADER": "Administration",
}
