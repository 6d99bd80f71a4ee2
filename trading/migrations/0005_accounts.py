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
        migrations.CreateModel(
            name="AccountCheck",
            fields=[
                ("account_id", models.UUIDField(primary_key=True, serialize=False)),
                ("user_id", models.UUIDField()),
                ("exchange", models.CharField(max_length=32)),
                ("environment", models.CharField(max_length=5)),
                ("due_at", models.DateTimeField()),
                ("checked_at", models.DateTimeField(help_text="When the venue last answered.", null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["due_at"], name="account_check_due")],
            },
        ),
        migrations.CreateModel(
            name="Adjustment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subscription_id", models.BigIntegerField()),
                ("account_id", models.UUIDField()),
                ("user_id", models.UUIDField()),
                ("trader_id", models.UUIDField()),
                ("market", models.CharField(max_length=4)),
                ("symbol", models.CharField(max_length=32)),
                ("side", models.CharField(default="BOTH", max_length=5)),
                ("qty", models.DecimalField(decimal_places=18, help_text="What was taken off, signed like the holding.", max_digits=38)),
                ("cost", models.DecimalField(decimal_places=18, help_text="What that part had cost, in the quote currency.", max_digits=38)),
                ("released", models.DecimalField(decimal_places=18, help_text="USD of exposure that became free.", max_digits=38)),
                ("reason", models.CharField(default="closed_outside", max_length=32)),
                ("at", models.DateTimeField()),
                ("leaf", models.BinaryField(max_length=32)),
            ],
            options={
                "indexes": [models.Index(fields=["user_id", "-at"], name="adjustment_of_user"), models.Index(fields=["subscription_id", "-id"], name="adjustment_of_subscription")],
            },
        ),
        migrations.CreateModel(
            name="Drift",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account_id", models.UUIDField()),
                ("user_id", models.UUIDField()),
                ("kind", models.CharField(choices=[("smaller", "Less there than our copies hold"), ("larger", "More there than our copies hold"), ("order_open", "An order that we think is over is open there"), ("order_gone", "An order that we think is open is not there")], max_length=10)),
                ("market", models.CharField(max_length=4)),
                ("symbol", models.CharField(help_text="The base asset on spot; the client order id of an order.", max_length=36)),
                ("side", models.CharField(default="BOTH", max_length=5)),
                ("ours", models.DecimalField(decimal_places=18, max_digits=38)),
                ("theirs", models.DecimalField(decimal_places=18, max_digits=38)),
                ("sightings", models.PositiveIntegerField(default=1, help_text="How often in a row it was seen just like this.")),
                ("first_seen", models.DateTimeField()),
                ("steady_since", models.DateTimeField(help_text="Since when both figures are as they are.")),
                ("last_seen", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
                ("done", models.CharField(blank=True, default="", help_text="What was done about it.", max_length=200)),
            ],
            options={
                "indexes": [models.Index(fields=["user_id", "-last_seen"], name="drift_of_user")],
                "constraints": [models.UniqueConstraint(condition=models.Q(("resolved_at", None)), fields=("account_id", "kind", "market", "symbol", "side"), name="one_open_drift")],
            },
        ),
    ]
