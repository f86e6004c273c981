"""What machines and runs use: written every few seconds, summed up, and removed when it is old."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from monitoring.models import UsageHour, UsageMinute, UsageReading
from monitoring.models.usage import (
    KEPT_HOURS,
    KEPT_MINUTES,
    KEPT_READINGS,
    of_host,
    of_run,
)
from monitoring.services.metering import Used
from portal.core.retention import remove_before
from portal.lib import clock

#: Rows that come late, from a machine that waited for Postgres, are still summed up for so long.
LATE = timedelta(minutes=10)
#: Of advisory locks: only one process sums up at a time.
LOCK = 0x75736167

_SUMS = """
INSERT INTO {into} (subject, at, n, cpu_cores, cpu_cores_max, memory_bytes, memory_bytes_max,
                    read_bytes_s, written_bytes_s, free_bytes)
SELECT subject, date_trunc(%(unit)s, at, 'UTC') AS start, {n},
       {cpu_cores}, max({cpu_cores_max}), ({memory_bytes})::bigint, max({memory_bytes_max}),
       {read_bytes_s}, {written_bytes_s}, min(free_bytes)
FROM {source}
WHERE at >= %(since)s AND at < %(until)s
GROUP BY subject, start
ON CONFLICT (subject, at) DO UPDATE SET
    n = excluded.n, cpu_cores = excluded.cpu_cores, cpu_cores_max = excluded.cpu_cores_max,
    memory_bytes = excluded.memory_bytes, memory_bytes_max = excluded.memory_bytes_max,
    read_bytes_s = excluded.read_bytes_s, written_bytes_s = excluded.written_bytes_s,
    free_bytes = excluded.free_bytes
"""
_MEANS = ("cpu_cores", "memory_bytes", "read_bytes_s", "written_bytes_s")
MINUTES = _SUMS.format(
    into="monitoring_usageminute",
    source="monitoring_usagereading",
    n="count(*)",
    cpu_cores_max="cpu_cores",
    memory_bytes_max="memory_bytes",
    **{name: f"avg({name})" for name in _MEANS},
)
HOURS = _SUMS.format(
    into="monitoring_usagehour",
    source="monitoring_usageminute",
    n="sum(n)",
    cpu_cores_max="cpu_cores_max",
    memory_bytes_max="memory_bytes_max",
    **{name: f"sum({name} * n) / sum(n)" for name in _MEANS},
)


def note(*, host: str, machine: Used | None, runs: Mapping[UUID, Used]) -> int:
    """Write one reading of a machine and of the runs on it; return the number of rows."""
    at = clock.now()
    read = {of_run(run_id): used for run_id, used in runs.items()}
    if machine is not None:
        read[of_host(host)] = machine
    rows = [UsageReading(subject=subject, at=at, **asdict(used)) for subject, used in read.items()]
    UsageReading.objects.bulk_create(rows)
    return len(rows)


def sum_up(now: datetime | None = None) -> bool:
    """Sum readings up to minutes, and minutes to hours; False when another process is at it.

    Whole spans are computed anew from everything in them, so doing it twice changes nothing.
    """
    moment = now or clock.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return False
        minute = moment.replace(second=0, microsecond=0)
        hour = minute.replace(minute=0)
        since = _since(UsageMinute, minute)
        cursor.execute(MINUTES, {"unit": "minute", "since": since, "until": minute})
        since = _since(UsageHour, hour)
        cursor.execute(HOURS, {"unit": "hour", "since": since, "until": hour})
    return True


def _since(into: type[UsageMinute] | type[UsageHour], until: datetime) -> datetime:
    """Return from where on spans may be new or have changed.

    A span whose first rows were removed already must not be written over with the rest of it.
    """
    kept, length, late = (
        (KEPT_READINGS, timedelta(minutes=1), LATE)
        if into is UsageMinute
        else (KEPT_MINUTES, timedelta(hours=1), timedelta(hours=1))
    )
    oldest = until - kept + length
    last: datetime | None = into.objects.aggregate(last=Max("at"))["last"]
    return oldest if last is None else max(oldest, min(last, until) - late)


@dataclass(frozen=True)
class Removed:
    """How many rows were past their time."""

    n_readings: int
    n_minutes: int
    n_hours: int


def remove_old(now: datetime | None = None) -> Removed:
    """Remove what is past its time, in portions that hold no lock for long."""
    moment = now or clock.now()
    return Removed(
        n_readings=remove_before(UsageReading, moment - KEPT_READINGS),
        n_minutes=remove_before(UsageMinute, moment - KEPT_MINUTES),
        n_hours=remove_before(UsageHour, moment - KEPT_HOURS),
    )
