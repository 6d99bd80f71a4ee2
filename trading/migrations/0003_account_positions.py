"""What watched accounts hold on futures."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0002_room_for_updates"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccountPosition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account_id", models.UUIDField()),
                ("market", models.CharField(max_length=4)),
                ("symbol", models.CharField(max_length=32)),
                ("side", models.CharField(max_length=5)),
                (
                    "qty",
                    models.DecimalField(
                        decimal_places=18, default=0, help_text="Signed: below zero is short.", max_digits=38
                    ),
                ),
                (
                    "counted_until",
                    models.DateTimeField(help_text="Fills up to then were in what the venue told at the beginning."),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account_id", "market", "symbol", "side"), name="one_account_position"
                    )
                ],
            },
        ),
    ]
