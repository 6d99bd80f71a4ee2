"""When leads' positions began; what followers' accounts are known to have at the venue, and where they differ from us."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0003_account_positions"),
    ]

    operations = [
        migrations.AddField(
            model_name="accountposition",
            name="opened_at",
            field=models.DateTimeField(help_text="When it left zero; null where it is flat.", null=True),
        ),
        migrations.AddField(
            model_name="leadposition",
            name="opened_at",
            field=models.DateTimeField(help_text="When it left zero; null where it is flat.", null=True),
        ),
        migrations.AddField(
            model_name="signal",
            name="position_since",
            field=models.DateTimeField(
                help_text="When the lead's position began, where that was before this trade.", null=True
            ),
        ),
    ]
