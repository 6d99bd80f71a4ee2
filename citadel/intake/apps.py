from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "citadel.intake"
    label = "intake"
    verbose_name = "Citadel intake"
    default_auto_field = "django.db.models.BigAutoField"
