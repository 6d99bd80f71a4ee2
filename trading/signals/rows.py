"""Rows that are inserted once: what was there already is left alone and told apart from what is new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


def insert_new(rows: Sequence[M]) -> list[M]:
    """Insert the rows that contradict no unique constraint; they get their ids. Returns them, in the order given.

    Another transaction that is inserting the same row is waited for. Rows of one call must differ among themselves
    in each of the table's keys.
    """
    if not rows:
        return []
    meta = type(rows[0])._meta
    fields = [field for field in meta.concrete_fields if not isinstance(field, models.AutoField)]
    names = ", ".join(f'"{field.column}"' for field in fields)
    line = f"({', '.join(['%s'] * len(fields))})"
    keys = natural_key(type(rows[0]))
    returned = ", ".join(f'"{column}"' for column in (meta.pk.column, *keys))
    sql = (
        f'insert into "{meta.db_table}" ({names}) values {", ".join([line] * len(rows))} '  # noqa: S608
        f"on conflict do nothing returning {returned}"
    )
    values: list[Any] = []
    for row in rows:
        values.extend(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        made = {tuple(rest): pk for pk, *rest in cursor.fetchall()}
    fresh = []
    for row in rows:
        key = tuple(getattr(row, name) for name in keys)
        if key in made:
            row.pk = made[key]
            fresh.append(row)
    return fresh


def natural_key(model: type[models.Model]) -> tuple[str, ...]:
    """The columns that tell two rows of a table apart: those of its first unique constraint."""
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            return tuple(constraint.fields)
    raise TypeError(f"{model.__name__} has no unique constraint")
