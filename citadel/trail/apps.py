from django.apps import AppConfig


class TrailConfig(AppConfig):
    name = "citadel.trail"
    label = "trail"
    verbose_name = "Citadel audit"
    default_auto_field = "django.db.models.BigAutoField"
