"""When leads' positions began; what followers' accounts are known to have at the venue, and where they differ from us."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0004_style"),
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
        migrations.CreateModel(
            name="PositionMode",
            fields=[
                ("account_id", models.UUIDField(primary_key=True, serialize=False)),
                ("hedged", models.BooleanField()),
                ("learnt_at", models.DateTimeField()),
                (
                    "refused_at",
                    models.DateTimeField(help_text="When the venue last refused to change it.", null=True),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SymbolSetting",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account_id", models.UUIDField()),
                ("symbol", models.CharField(max_length=32)),
                ("leverage", models.PositiveSmallIntegerField()),
                ("margin", models.CharField(help_text="isolated or cross", max_length=8)),
                ("learnt_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("account_id", "symbol"), name="one_symbol_setting")
                ],
            },
        ),
    ]
