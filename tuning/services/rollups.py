"""Samples of instances summed up to minutes and hours, and removed when they are old.

A span is always computed anew from everything in it, so doing it twice changes nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Model

from portal.core.retention import remove_before
from portal.lib import clock
from tuning.engine.live.figures import FIGURES
from tuning.models import Instance, InstanceHour, InstanceMinute, InstanceSample
from tuning.models.instances import KEPT_HOURS, KEPT_MINUTES, KEPT_SECONDS, hour_of

#: What is not a mean: stalls add up; of a percentile, a number of files and a debt the most counts.
_OTHERS = {"n_stalls": "sum", "write_p99_us": "max", "l0_files": "max", "debt_bytes": "max"}
_NAMES = (*FIGURES, "predicted")
_COLUMNS = (*_NAMES, "rate_source", "n", "rate_low", "rate_high")


def _query(into: type[Model], source: type[Model], *, is_summed: bool) -> str:
    """Return the statement that sums one span of one instance up."""
    low, high = ("rate_low", "rate_high") if is_summed else ("rate", "rate")
    sums = [_sum(name, is_summed=is_summed) for name in _NAMES]
    sums += [
        "coalesce(mode() WITHIN GROUP (ORDER BY rate_source), '')",
        "sum(n)" if is_summed else "count(*)",
        f"min({low})",
        f"max({high})",
    ]
    sets = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
    return f"""
        INSERT INTO {into._meta.db_table} (instance_id, at, {", ".join(_COLUMNS)})
        SELECT instance_id, %(start)s, {", ".join(sums)} FROM {source._meta.db_table}
        WHERE instance_id = %(instance)s AND at >= %(start)s AND at < %(end)s GROUP BY instance_id
        ON CONFLICT (instance_id, at) DO UPDATE SET {sets}
    """  # noqa: S608 - our own tables and columns


def _sum(name: str, *, is_summed: bool) -> str:
    if other := _OTHERS.get(name):
        return f"{other}({name})"
    if not is_summed:
        return f"avg({name})"
    return f"sum({name} * n) / nullif(sum(n) FILTER (WHERE {name} IS NOT NULL), 0)"


_MINUTE = _query(InstanceMinute, InstanceSample, is_summed=False)
_HOUR = _query(InstanceHour, InstanceMinute, is_summed=True)


def sum_up(instance: Instance, minutes: Iterable[datetime]) -> None:
    """Sum some minutes of an instance up, and the hours they lie in; under the instance's lock."""
    touched = set(minutes)
    for start in sorted(touched):
        _span(_MINUTE, instance, start, timedelta(minutes=1))
    for start in sorted({hour_of(one) for one in touched}):
        _span(_HOUR, instance, start, timedelta(hours=1))


def _span(query: str, instance: Instance, start: datetime, length: timedelta) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query, {"instance": instance.pk, "start": start, "end": start + length})


def remove_old() -> dict[str, int]:
    """Remove what is past its time, in portions that hold no lock for long."""
    now = clock.now()
    return {
        "n_seconds": remove_before(InstanceSample, now - KEPT_SECONDS),
        "n_minutes": remove_before(InstanceMinute, now - KEPT_MINUTES),
        "n_hours": remove_before(InstanceHour, now - KEPT_HOURS),
    }
