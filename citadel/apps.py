from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class CitadelConfig(AppConfig):
    name = "citadel"
    verbose_name = "Citadel"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find out at the start, not when somebody connects an account, that the usual limits cannot be."""
        from citadel.domain.agreement import CapsInvalid, read_caps

        try:
            read_caps(settings.ACCOUNT_CAPS)
        except CapsInvalid as error:
            raise ImproperlyConfigured(error.__doc__) from None
