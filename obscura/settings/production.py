"""Settings of production: everything that matters must be named, nothing is made up."""

from __future__ import annotations

from obscura.settings import env
from obscura.settings.base import *  # noqa: F403
from obscura.settings.base import database

DEBUG = False
SECRET_KEY = env.text("OBSCURA_SECRET_KEY")
ALLOWED_HOSTS = env.words("OBSCURA_HOSTS")
DATABASE_URL = env.text("DATABASE_URL")
REDIS_URL = env.text("REDIS_URL")
DATABASES = {"default": database(DATABASE_URL)}
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
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = env.text("OBSCURA_SMTP_HOST")
EMAIL_HOST_USER = env.text("OBSCURA_SMTP_USER", "")
EMAIL_HOST_PASSWORD = env.text("OBSCURA_SMTP_PASSWORD", "")
EMAIL_USE_TLS = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
