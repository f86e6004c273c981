"""How much machines and runs used over time, as pages and the API show it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from monitoring.models import UsageHour, UsageMinute, UsageReading
from monitoring.models.usage import KEPT_MINUTES, KEPT_READINGS, of_run
from portal.lib import clock
from portal.runs.models import Run

HOST = "host:"
#: Shorter than this, every reading is shown; longer, minutes; longer still, hours.
SHOWN_READINGS = timedelta(minutes=30)
SHOWN_MINUTES = timedelta(hours=24)
SPAN = timedelta(hours=3)
FIELDS = (
    "subject",
    "at",
    "cpu_cores",
    "memory_bytes",
    "read_bytes_s",
    "written_bytes_s",
    "free_bytes",
)


@dataclass(frozen=True)
class Point:
    """What was used at one time, or on average in one span."""

    subject: str
    at: datetime
    cpu_cores: float
    memory_bytes: int
    read_bytes_s: float
    written_bytes_s: float
    free_bytes: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the point as the API shows it."""
        return {name: getattr(self, name) for name in FIELDS if name != "subject"}


@dataclass(frozen=True)
class Course:
    """What one machine or run used over time; never empty."""

    subject: str
    points: Sequence[Point]

    @property
    def name(self) -> str:
        """The machine's name, or the run's id."""
        return self.subject.partition(":")[2]

    @property
    def last(self) -> Point:
        return self.points[-1]

    @property
    def cpu_cores(self) -> list[float]:
        return [point.cpu_cores for point in self.points]

    @property
    def memory_bytes(self) -> list[int]:
        return [point.memory_bytes for point in self.points]

    @property
    def disk_bytes_s(self) -> list[float]:
        """Read and written, together."""
        return [point.read_bytes_s + point.written_bytes_s for point in self.points]

    @property
    def free_bytes(self) -> list[int]:
        """Room on the disk, of machines alone."""
        return [point.free_bytes for point in self.points if point.free_bytes is not None]

    @property
    def disk_bytes_s_last(self) -> float:
        return self.disk_bytes_s[-1]

    @property
    def cpu_cores_max(self) -> float:
        return max(self.cpu_cores)

    @property
    def memory_bytes_max(self) -> int:
        return max(self.memory_bytes)

    @property
    def disk_bytes_s_max(self) -> float:
        return max(self.disk_bytes_s)


def _points(rows: Iterable[tuple[Any, ...]]) -> list[Point]:
    return [Point(*row) for row in rows]


def run_course(run: Run) -> Course | None:
    """Return what a run used, None when it was too short to be read or is too long ago."""
    if run.started_at is None:
        return None
    until = run.finished_at or clock.now()
    length, age = until - run.started_at, clock.now() - run.started_at
    model: type[UsageReading] | type[UsageMinute] | type[UsageHour] = UsageReading
    if length > SHOWN_READINGS or age > KEPT_READINGS:
        model = UsageMinute
    if length > SHOWN_MINUTES or age > KEPT_MINUTES:
        model = UsageHour
    rows = model.objects.filter(subject=of_run(run.pk)).order_by("at").values_list(*FIELDS)
    points = _points(rows)
    return Course(of_run(run.pk), points) if points else None


def machines(span: timedelta = SPAN) -> list[Course]:
    """Return what every machine used lately, minute by minute, by name."""
    since = clock.now() - span
    model = UsageMinute if span <= SHOWN_MINUTES else UsageHour
    rows = model.objects.filter(at__gte=since, subject__startswith=HOST).order_by("subject", "at")
    points = _points(rows.values_list(*FIELDS))
    return [
        Course(subject, list(group)) for subject, group in groupby(points, lambda one: one.subject)
    ]
