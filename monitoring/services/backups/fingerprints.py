"""What a database holds, in a form that two databases can be compared by.

A table's digest is the sum over its rows of a 64-bit hash of the row as text, so it does not depend
on the order of rows. Two databases with equal fingerprints hold, short of a collision, the same.
"""

from typing import Any

import psycopg
from psycopg import sql

Fingerprints = dict[str, dict[str, Any]]

_TABLES = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""
_DIGEST = """
    SELECT count(*), coalesce(sum(hashtextextended((row.*)::text, 0)::numeric), 0)
    FROM ONLY {} AS row
"""


def fingerprints(opened: "psycopg.Connection[Any]") -> Fingerprints:
    """Return the number of rows and the digest of every table.

    Parameters
    ----------
    opened
        A connection of :meth:`Server.connect`, whose settings make text of rows comparable.

    Returns
    -------
    dict
        By table: ``rows`` and ``digest``.
    """
    found: Fingerprints = {}
    for (table,) in opened.execute(_TABLES).fetchall():
        counted = opened.execute(sql.SQL(_DIGEST).format(sql.Identifier(table))).fetchone()
        assert counted is not None  # noqa: S101 - an aggregate without GROUP BY has one row
        found[table] = {"rows": counted[0], "digest": str(counted[1])}
    return found


def differences(expected: Fingerprints, seen: Fingerprints) -> list[str]:
    """Return a line for each table that is not the same."""
    lines = []
    for table in sorted(expected.keys() | seen.keys()):
        one, other = expected.get(table), seen.get(table)
        if one is None or other is None:
            lines.append(f"{table}: only in the {'backup' if other is None else 'restored'} one")
        elif one["rows"] != other["rows"]:
            lines.append(f"{table}: {other['rows']} rows instead of {one['rows']}")
        elif one["digest"] != other["digest"]:
            lines.append(f"{table}: {one['rows']} rows, but not the same")
    return lines
