"""Leave room in the pages of subscriptions: two updates follow each copy, and no index should have to follow them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("pools", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "alter table pools_subscription set (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05)",
            "alter table pools_subscription reset (fillfactor, autovacuum_vacuum_scale_factor)",
        )
    ]
