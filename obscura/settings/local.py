"""Settings of one machine: real servers where they are named, embedded ones where not."""

from __future__ import annotations

import os

from obscura.local import embedded
from obscura.settings import env
from obscura.settings.base import *  # noqa: F403
from obscura.settings.base import BASE_DIR, VAR, database

DEBUG = env.flag("OBSCURA_DEBUG")
SECRET_KEY = env.text("OBSCURA_SECRET_KEY", "") or embedded.kept_secret(VAR / "secret_key")
ALLOWED_HOSTS = [".localhost", "127.0.0.1", "testserver", ".testserver"]

_urls = embedded.urls(VAR)
DATABASE_URL = _urls.database
REDIS_URL = _urls.redis
DATABASES = {"default": database(DATABASE_URL)}
if not os.environ.get("OBSCURA_DATA") and (BASE_DIR.parent / "shared" / "data").is_dir():
    DATA_DIR = str(BASE_DIR.parent / "shared" / "data")

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_FUNCTION": "tenants.scope.cache_key",
        "REVERSE_KEY_FUNCTION": "tenants.scope.reverse_cache_key",
    }
}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
