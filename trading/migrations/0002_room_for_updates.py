"""Leave room in the pages of rows that are updated soon after they are written, so that no index has to follow."""

from django.db import migrations

ROOM = """
alter table trading_order set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.05);
alter table trading_holding set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
"""
NONE = """
alter table trading_order reset (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
alter table trading_holding reset (fillfactor, autovacuum_vacuum_scale_factor);
"""


class Migration(migrations.Migration):
    dependencies = [("trading", "0001_initial")]

    operations = [migrations.RunSQL(ROOM, NONE)]
