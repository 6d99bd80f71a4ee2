"""The database itself keeps entries: nothing is changed, deleted or truncated, and a place in the chain is given once."""

from django.db import migrations

KEPT = """
create function audit_kept() returns trigger language plpgsql as $$
declare
  chain constant text[] := array['position', 'previous', 'digest'];
begin
  if tg_op = 'UPDATE' then
    if old.position is null and old.previous is null and old.digest is null
       and new.position is not null and new.previous is not null and new.digest is not null
       and (to_jsonb(new) - chain)::text = (to_jsonb(old) - chain)::text then
      return new;
    end if;
  end if;
  raise exception 'entries of the audit are append-only: % refused', lower(tg_op) using errcode = '42501';
end $$;
create trigger audit_kept before update or delete on audit_entry for each row execute function audit_kept();
create trigger audit_kept_whole before truncate on audit_entry for each statement execute function audit_kept();
create trigger audit_unchained before insert on audit_entry for each row
  when (new.position is not null or new.previous is not null or new.digest is not null)
  execute function audit_kept();
"""
FREE = """
drop trigger audit_kept on audit_entry;
drop trigger audit_kept_whole on audit_entry;
drop trigger audit_unchained on audit_entry;
drop function audit_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_chain")]

    operations = [migrations.RunSQL(KEPT, FREE)]
