"""The settings of the tests, with django-tenants' own engine: what our engine is measured against."""

from __future__ import annotations

from obscura.settings.test import *  # noqa: F403
from obscura.settings.test import DATABASES

DATABASES["default"]["ENGINE"] = "django_tenants.postgresql_backend"
