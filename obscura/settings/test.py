"""Settings of the test suite: the local servers, plain static files, fast hashing, mail kept in memory."""

from __future__ import annotations

from obscura.settings.local import *  # noqa: F403
from obscura.settings.local import DATABASES

DEBUG = False
SECRET_KEY = "a-secret-for-tests-alone"  # noqa: S105
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
DATABASES["default"]["TEST"] = {"NAME": "obscura_test"}
