from django.apps import AppConfig


class CuratedConfig(AppConfig):
    name = "pools.curated"
    label = "curated"
    verbose_name = "Curated pools"
    default_auto_field = "django.db.models.BigAutoField"
