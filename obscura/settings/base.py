"""Settings that hold everywhere. What differs by place is in local, test and production."""

from __future__ import annotations

from pathlib import Path

from csp.constants import NONE, SELF
from psycopg.conninfo import conninfo_to_dict

from obscura.core.db.pool import reset_connection
from obscura.core.secrets import Secret
from obscura.settings import env
from obscura.settings.access import *  # noqa: F403
from obscura.settings.admin import *  # noqa: F403

BASE_DIR = Path(__file__).resolve().parents[2]
VAR = Path(env.text("OBSCURA_VAR", str(BASE_DIR / "var")))

SHARED_APPS = [
    "django_tenants",
    "tenants",
    "obscura.core.nudge",
    "obscura.core.audit",
    "citadel.intake",
    "citadel.trail",
    "billing.plans",
    "pools.curated",
    "tenants.accounts",
    "unfold",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "csp",
    "channels",
    "obscura.apps.ObscuraConfig",
]
TENANT_APPS = [
    "tenants.accounts",
    "obscura.core.audit",
    "citadel",
    "billing.profit",
    "pools",
    "trading",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.admin",
    "allauth.account",
    "allauth.mfa",
    "rest_framework_simplejwt.token_blacklist",
]
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_LIMIT_SET_CALLS = True
TEMPLATE_SCHEMA = "obscura_template_schema"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
OFFICE_HOST = env.text("OBSCURA_OFFICE_HOST", "office.localhost")

MIDDLEWARE = [
    "obscura.ops.metrics.middleware.MetricsMiddleware",
    "obscura.ops.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tenants.middleware.TenantMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenants.middleware.SessionTenantMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "obscura.urls"
PUBLIC_SCHEMA_URLCONF = "obscura.urls_office"
ASGI_APPLICATION = "obscura.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "obscura.web.context.shell",
            ],
            "libraries": {
                "figures": "obscura.web.templatetags.figures",
                "controls": "obscura.web.templatetags.controls",
            },
        },
    }
]


def database(url: str) -> dict[str, object]:
    """Django's settings for a libpq URL."""
    info = conninfo_to_dict(url)
    return {
        "ENGINE": "obscura.core.db.ctxpg",
        "NAME": info.get("dbname", "obscura"),
        "USER": info.get("user", ""),
        "PASSWORD": info.get("password", ""),
        "HOST": info.get("host", ""),
        "PORT": str(info.get("port", "5432")),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # a session the server has ended is found out before it is used
        "OPTIONS": {
            "pool": {
                "min_size": 1,
                "max_size": env.number("OBSCURA_DB_POOL", 16),
                "timeout": 10,
                "reset": reset_connection,
            },
            **({"sslmode": info["sslmode"]} if "sslmode" in info else {}),
        },
    }


AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["tenants.access.backends.TenantBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "web:home"
ACCOUNT_ADAPTER = "tenants.access.allauth.TenantAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_REDIRECT_URL = "web:home"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ADAPTER = "tenants.access.allauth.TenantMFAAdapter"

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "obscura.web.errors.csrf_failure"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.access.permissions.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["obscura.core.http.renderers.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["obscura.core.http.parsers.ExactJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.access.throttles.General"],
    "DEFAULT_PAGINATION_CLASS": "obscura.core.http.pagination.Pages",
    "EXCEPTION_HANDLER": "obscura.core.http.errors.handle",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Obscura API",
    "DESCRIPTION": "Copy trading for partners (v2) and people (v1).",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]",
    "ENUM_NAME_OVERRIDES": {
        "Priority": ["critical", "high", "normal", "low"],
        "SignalStatus": ["queued", "processing", "completed", "partial", "failed"],
        "ReceiptStatus": ["queued", "processing", "completed"],
        "SubscriptionMode": ["fixed_amount", "advanced"],
    },
}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
LOCALE_PATHS = [BASE_DIR / "obscura" / "locale"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "obscura" / "assets" / "dist"]
WHITENOISE_KEEP_ONLY_HASHED_FILES = False

EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = VAR / "mail"
DEFAULT_FROM_EMAIL = env.text("OBSCURA_MAIL_FROM", "Obscura <no-reply@obscura.example>")

# The hot path. See docs/flows/copy_trade.md for what the three times mean to each other.
COPY_RECV_WINDOW_MS = env.number("OBSCURA_RECV_WINDOW_MS", 5000)
COPY_HTTP_TIMEOUT_MS = env.number("OBSCURA_HTTP_TIMEOUT_MS", 4000)
COPY_LEASE_MS = env.number("OBSCURA_LEASE_MS", 8000)
COPY_PARTIAL_WINDOW_MS = env.number("OBSCURA_PARTIAL_WINDOW_MS", 100)

# Our addresses that requests to exchanges leave from; none: the system chooses. The egress reads the same variable.
EGRESS_ADDRESSES = env.words("OBSCURA_EGRESS_ADDRESSES")
# What accounts are connected with where their owners choose no others: dollars in an order, a minute and a day, and the
# highest leverage. The signer reads the same variable, for accounts that were connected before there were such limits.
ACCOUNT_CAPS = env.text("OBSCURA_ACCOUNT_CAPS", "50000,250000,1000000,20")
# Days after which nothing that was erased opens in any backup of the database. The signer reads the same variable.
KEYS_HORIZON_DAYS = env.text("OBSCURA_KEYS_HORIZON_DAYS", "30")
# Off for benchmarks against a paper venue that limits nothing. The limits of live exchanges always hold.
STOPS_AT_VENUE = env.flag("OBSCURA_STOPS_AT_VENUE", True)
PAPER_LIMITS = env.flag("OBSCURA_PAPER_LIMITS", True)
# The guard: how long a lead may be silent before followers are told, and how much longer before a pool that wants it
# closes what is open.
LEAD_SILENT_AFTER_S = env.number("OBSCURA_LEAD_SILENT_AFTER_S", 60)
LEAD_SILENT_CLOSE_S = env.number("OBSCURA_LEAD_SILENT_CLOSE_S", 300)

# Whoever has it may read /metrics. Without one there is no such address.
METRICS_TOKEN = Secret(env.text("OBSCURA_METRICS_TOKEN", ""))

RUN_DIR = env.text("OBSCURA_RUN", str(VAR / "run"))
DATA_DIR = env.text("OBSCURA_DATA", "")
LOGGING_CONFIG = None
