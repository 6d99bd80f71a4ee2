"""Each account keeps to one of our addresses; those that are there keep to the first."""

from django.conf import settings
from django.db import migrations, models


def keep_to_the_first(apps, schema_editor):
    if settings.EGRESS_ADDRESSES:
        apps.get_model("citadel", "ExchangeAccount").objects.update(egress_address=settings.EGRESS_ADDRESSES[0])


class Migration(migrations.Migration):
    dependencies = [("citadel", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="exchangeaccount",
            name="egress_address",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The address of ours that its requests leave from; empty: the first.",
                max_length=45,
            ),
        ),
        migrations.RunPython(keep_to_the_first, migrations.RunPython.noop),
    ]
