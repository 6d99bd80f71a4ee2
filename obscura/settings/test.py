"""Settings of the test suite: the local servers, plain static files, fast hashing, mail kept in memory."""

from __future__ import annotations

import fcntl
import os
from urllib.parse import urlsplit, urlunsplit

from obscura.settings.local import *  # noqa: F403
from obscura.settings.local import CACHES, CHANNEL_LAYERS, DATABASES, REDIS_URL, VAR

DEBUG = False
SECRET_KEY = "a-secret-for-tests-alone-and-long-enough-to-sign-with"  # noqa: S105
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True  # what was built, without collecting it first
DATABASES["default"]["TEST"] = {"NAME": "obscura_test"}
OFFICE_HOST = "office.testserver"


def _redis_database() -> int:
    """A logical database (1 to 15) that no other test process uses; child processes use their parent's."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    claimed, _, number = os.environ.get("OBSCURA_TEST_REDIS", "").partition(":")
    if claimed == worker and number:
        return int(number)
    folder = VAR / "test-redis"
    folder.mkdir(parents=True, exist_ok=True)
    for candidate in range(1, 16):
        lock = os.open(folder / str(candidate), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until the process ends
        except BlockingIOError:
            os.close(lock)
            continue
        os.environ["OBSCURA_TEST_REDIS"] = f"{worker}:{candidate}"
        return candidate
    raise RuntimeError("All 15 Redis databases for tests are taken. Stop other test runs on this folder.")


REDIS_DATABASE = _redis_database()
REDIS_URL = urlunsplit(urlsplit(REDIS_URL)._replace(path=f"/{REDIS_DATABASE}"))
CACHES["default"]["LOCATION"] = REDIS_URL
# Published messages know no logical databases, so their channels carry the number.
REDIS_CHANNELS = f"obscura:{REDIS_DATABASE}:"
CHANNEL_LAYERS["default"]["CONFIG"] = {"hosts": [REDIS_URL], "prefix": f"asgi{REDIS_DATABASE}"}
