"""Settings of sign-in: how long tokens live, and what their salts are made of."""

from __future__ import annotations

from datetime import timedelta

from obscura.core.db.salt import tenant_salt

ACCOUNT_SALT = tenant_salt("account")
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "tenants.access.tokens.ResetTokens"  # noqa: S105
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "ALGORITHM": "HS256",
    "USER_ID_FIELD": "id",
    "UPDATE_LAST_LOGIN": False,
}
REDIS_CHANNELS = "obscura:"
