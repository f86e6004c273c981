"""What objectives are measured from."""

from datetime import timedelta
from typing import Any

from monitoring.models import Measurement, Objective, SeriesMinute
from monitoring.services.objectives import evaluating
from portal.core.actors import Actor
from portal.lib import clock

Status = Measurement.Status
SYSTEM = Actor.system("tests")


def objective(kind: str) -> Objective:
    return {row.kind: row for row in evaluating.ensure()}[kind]


def count(name: str, n: float, *, minutes_ago: float = 1, buckets: Any = None) -> None:
    at = (clock.now() - timedelta(minutes=minutes_ago)).replace(second=0, microsecond=0)
    row, _new = SeriesMinute.objects.get_or_create(
        name=name, at=at, source="a", defaults={"count": 0, "buckets": buckets or {}}
    )
    SeriesMinute.objects.filter(name=name, at=at).update(count=row.count + n)


def measured(kind: str) -> Measurement:
    return evaluating.evaluate(objective(kind), clock.now())
