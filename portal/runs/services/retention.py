"""What is removed when it is old enough that nobody asks for it."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import ProtectedError

from portal.lib import clock
from portal.runs import artifacts
from portal.runs.models import TERMINAL_STATES, Queue, Run, RunEvent, ScheduleSlot, State
from portal.runs.services import heartbeats

BATCH = 5_000


@dataclass(frozen=True)
class Removed:
    """What a clean-up removed.

    Attributes
    ----------
    n_events
        Events of runs that were over.
    n_runs
        Maintenance runs that succeeded and that nothing refers to.
    n_slots
        Settled due times of schedules.
    n_heartbeats
        Processes long gone.
    n_files
        Files and stored objects without an artifact.
    """

    n_events: int
    n_runs: int
    n_slots: int
    n_heartbeats: int
    n_files: int


def remove_old() -> Removed:
    """Remove what is older than the retention of events."""
    before = clock.now() - settings.RUN_EVENT_RETENTION
    return Removed(
        n_events=_remove_events(before),
        n_runs=_remove_runs(before),
        n_slots=ScheduleSlot.objects.filter(due_at__lt=before).delete()[0],
        n_heartbeats=heartbeats.forget_dead(),
        n_files=artifacts.remove_strays(),
    )


def _remove_events(before: datetime) -> int:
    """Remove old events in batches, so that no statement holds its locks for long."""
    old = RunEvent.objects.filter(at__lt=before, run__state__in=TERMINAL_STATES).order_by("pk")
    n_removed = 0
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        # Nothing refers to events: the rows may go without a look at each.
        n_removed += RunEvent.objects.filter(pk__in=batch)._raw_delete("default")
    return n_removed


def _remove_runs(before: datetime) -> int:
    """Remove old maintenance runs; unlike trainings they are no part of any model's history."""
    old = Run.objects.filter(
        queue=Queue.MAINTENANCE, state=State.SUCCEEDED, finished_at__lt=before
    ).order_by("created_at")
    n_removed = 0
    for run in old[:BATCH]:
        try:
            run.delete()
        except ProtectedError:
            continue
        n_removed += 1
    return n_removed
