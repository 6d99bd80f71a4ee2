from django.apps import AppConfig


class CitadelConfig(AppConfig):
    name = "citadel"
    verbose_name = "Citadel"
    default_auto_field = "django.db.models.BigAutoField"
