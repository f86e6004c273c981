"""Removing what is past its time, from tables that hold rows by the time they are of."""

from datetime import datetime

from django.db import connection
from django.db.models import Model

BATCH = 20_000


def remove_before(model: type[Model], limit: datetime) -> int:
    """Remove the rows whose ``at`` is before a moment; return how many.

    They go in portions that hold no lock for long.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    query = f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} WHERE at < %s LIMIT %s)"  # noqa: S608 - our own table's name
    n_removed = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(query, [limit, BATCH])
            n_gone = int(cursor.rowcount)
        n_removed += n_gone
        if n_gone < BATCH:
            return n_removed
