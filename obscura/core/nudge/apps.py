from django.apps import AppConfig


class NudgeConfig(AppConfig):
    name = "obscura.core.nudge"
    label = "nudge"
    verbose_name = "Nudges"
    default_auto_field = "django.db.models.BigAutoField"
