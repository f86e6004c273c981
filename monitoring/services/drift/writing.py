"""Bring what a turn changed into the tables: a few statements, however many streams there are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from django.db import connection

from monitoring.models import DriftBlock, DriftPast, DriftWindow
from monitoring.services.drift.series import Series
from monitoring.services.drift.storage import pack_past, pack_rows

#: A point of the course holds the worst look of so many seconds.
POINT_S = 300

_WINDOWS = """
    UPDATE monitoring_driftwindow AS known SET
        n_seen = new.n_seen, n_kept = new.n_kept, since = new.since, first_at = new.first_at,
        last_at = new.last_at, n_past = new.n_past, latest = new.latest::jsonb
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[],
                %s::timestamptz[], %s::int[], %s::text[])
        AS new (id, n_seen, n_kept, since, first_at, last_at, n_past, latest)
    WHERE known.id = new.id
"""
_BLOCKS = """
    INSERT INTO monitoring_driftblock (window_id, slot, number, rows, last_id, last_at)
    SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::bigint[], %s::bytea[], %s::uuid[],
                         %s::timestamptz[])
    ON CONFLICT (window_id, slot) DO UPDATE SET
        number = excluded.number, rows = excluded.rows, last_id = excluded.last_id,
        last_at = excluded.last_at
"""
_POINTS = """
    INSERT INTO monitoring_driftpoint AS known
        (window_id, at, n_looks, kl, threshold, psi, estimated_f1, columns)
    SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::float8[], %s::float8[],
                         %s::float8[], %s::float8[], %s::bytea[])
    ON CONFLICT (window_id, at) DO UPDATE SET
        n_looks = known.n_looks + excluded.n_looks,
        threshold = coalesce(excluded.threshold, known.threshold),
        kl = greatest(known.kl, excluded.kl),
        psi = CASE WHEN excluded.kl >= known.kl THEN excluded.psi ELSE known.psi END,
        estimated_f1 = CASE WHEN excluded.kl >= known.kl THEN excluded.estimated_f1
                            ELSE known.estimated_f1 END,
        columns = CASE WHEN excluded.kl >= known.kl THEN excluded.columns ELSE known.columns END
"""


def write(touched: Sequence[Series]) -> None:
    """Write the windows, blocks, past windows and points of some streams."""
    anew = [series.row.pk for series in touched if series.changes.is_anew]
    if anew:
        DriftBlock.objects.filter(window__in=anew).delete()
    for series in touched:
        if series.changes.has_reference:
            series.row.save(update_fields=["reference", "source"])
    _execute(_WINDOWS, [_window(series) for series in touched])
    _execute(_BLOCKS, [block for series in touched for block in _blocks(series)])
    _execute(_POINTS, [_point(series) for series in touched if series.changes.worst is not None])
    DriftPast.objects.bulk_create(
        DriftPast(window=series.row, number=number, content=pack_past(past), until=at)
        for series in touched
        for number, past, at in series.changes.past
    )


def _execute(statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def _window(series: Series) -> tuple[Any, ...]:
    row: DriftWindow = series.row
    row.latest = series.described()
    return (
        row.pk,
        row.n_seen,
        row.n_kept,
        row.since,
        row.first_at,
        row.last_at,
        row.n_past,
        msgspec.json.encode(row.latest).decode(),
    )


def _blocks(series: Series) -> list[tuple[Any, ...]]:
    n_slots = series.schedule.n_steps + 1
    latest = sorted(series.changes.steps.items())[-n_slots:]
    return [
        (series.row.pk, number % n_slots, number, pack_rows(rows), last_id, at)
        for number, (rows, last_id, at) in latest
    ]


def _point(series: Series) -> tuple[Any, ...]:
    look = series.changes.worst
    assert look is not None  # noqa: S101 - filtered above
    assert series.row.last_at is not None  # noqa: S101 - a look needs predictions
    second = int(series.row.last_at.timestamp()) // POINT_S * POINT_S
    return (
        series.row.pk,
        datetime.fromtimestamp(second, UTC),
        series.changes.n_looks,
        look.kl,
        series.kl_threshold,
        look.psi,
        look.expected.get("f1"),
        look.columns.astype(np.float32).tobytes(),
    )
