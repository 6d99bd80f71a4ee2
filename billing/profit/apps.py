from django.apps import AppConfig


class ProfitConfig(AppConfig):
    name = "billing.profit"
    label = "profit"
    verbose_name = "Profit share"
    default_auto_field = "django.db.models.BigAutoField"
