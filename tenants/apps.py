from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = "Tenants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make what Django keeps per process keep tenants apart."""
        from obscura.core.db import contenttypes
        from tenants.access import sessions

        contenttypes.install()
        sessions.install()
