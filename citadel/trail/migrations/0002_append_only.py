"""The database itself keeps what the signer told: nothing is changed, deleted or truncated."""

from django.db import migrations

KEPT = """
create function trail_kept() returns trigger language plpgsql as $$
begin
  raise exception 'entries of the signer are append-only: % refused', lower(tg_op) using errcode = '42501';
end $$;
create trigger trail_kept before update or delete on trail_signerentry for each row execute function trail_kept();
create trigger trail_kept_whole before truncate on trail_signerentry for each statement execute function trail_kept();
"""
FREE = """
drop trigger trail_kept on trail_signerentry;
drop trigger trail_kept_whole on trail_signerentry;
drop function trail_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("trail", "0001_initial")]

    operations = [migrations.RunSQL(KEPT, FREE)]
