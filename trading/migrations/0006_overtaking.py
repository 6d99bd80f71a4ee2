"""The most urgent signal of a lane is found by an index, and a signal knows which exit came before it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("trading", "0005_accounts")]

    operations = [
        migrations.AddField(
            model_name="signal",
            name="overtaken_by",
            field=models.BigIntegerField(help_text="The close of the whole that was planned before it.", null=True),
        ),
        migrations.AddIndex(
            model_name="signal",
            index=models.Index(
                condition=models.Q(("state__in", ["new", "planning"])),
                fields=["pool_id", "priority", "seq"],
                name="signal_by_urgency",
            ),
        ),
        migrations.AddIndex(
            model_name="signal",
            index=models.Index(
                condition=models.Q(("state__in", ["new", "planning"])),
                fields=["pool_id", "symbol", "seq"],
                name="signal_by_symbol",
            ),
        ),
    ]
