"""Reads about runs that hold more than one query."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count

from portal.core.models import Alert
from portal.runs.models import DEAD_LETTER, TERMINAL_STATES, Heartbeat, Queue, Run, RunEvent, State

MOST_EVENTS = 500
STREAM_FIELDS = ("id", "at", "type", "level", "name", "value", "step", "message", "data")


@dataclass(frozen=True)
class Feed:
    """New events of a run, and whether more can come.

    Attributes
    ----------
    events
        In order; see ``STREAM_FIELDS``.
    state
        The run's state before the events were read.
    is_over
        Whether the run is over and these are its last events.
    """

    events: list[RunEvent]
    state: str
    is_over: bool


def is_dead_letter(run: Run) -> bool:
    """Whether the run ended in an error that nobody has answered by a retry or a dismissal."""
    return Alert.objects.open().filter(key=f"{DEAD_LETTER}{run.pk}").exists()


def dead_letters(most: int) -> list[Run]:
    """Return the dead letters that nobody has retried or dismissed, newest first."""
    keys = Alert.objects.open().filter(key__startswith=DEAD_LETTER)[:most]
    ids = [key.removeprefix(DEAD_LETTER) for key in keys.values_list("key", flat=True)]
    return list(Run.objects.dead().filter(pk__in=ids).order_by("-finished_at"))


def feed(run_id: UUID, after: int, most: int = MOST_EVENTS) -> Feed:
    """Return the events of a run after one of them.

    The state is read first: what is told of a run that is over at that moment is complete.

    Raises
    ------
    Run.DoesNotExist
        When there is no such run.
    """
    state = Run.objects.values_list("state", flat=True).get(pk=run_id)
    events = list(RunEvent.objects.filter(run_id=run_id, pk__gt=after).order_by("pk")[:most])
    return Feed(events, state, state in TERMINAL_STATES and len(events) < most)


@dataclass(frozen=True)
class QueueDepth:
    """How much waits and works in a queue, and who serves it."""

    queue: str
    n_queued: int
    n_running: int
    n_workers: int


def queue_depths(alive_since: datetime) -> list[QueueDepth]:
    """Return every queue's depth, and its workers seen since a moment."""
    counted = Run.objects.active().order_by().values_list("queue", "state")
    n_by = {(queue, state): n for queue, state, n in counted.annotate(n=Count("pk"))}
    workers = [
        detail.get("queues", [])
        for detail in Heartbeat.objects.filter(role="worker", at__gte=alive_since).values_list(
            "detail", flat=True
        )
    ]
    return [
        QueueDepth(
            queue,
            n_by.get((queue, State.QUEUED), 0),
            n_by.get((queue, State.RUNNING), 0),
            sum(queue in queues for queues in workers),
        )
        for queue in Queue.values
    ]


def shown_runs(most: int) -> list[Run]:
    """Return the runs worth a look: those at work, those that wait, then the latest that ended."""
    return list(_shown(most))


def _shown(most: int) -> Iterator[Run]:
    left = most
    for rows in (
        Run.objects.running().order_by("started_at"),
        Run.objects.queued().order_by("created_at"),
        Run.objects.filter(state__in=TERMINAL_STATES).order_by("-finished_at"),
    ):
        found = list(rows[:left])
        yield from found
        left -= len(found)


def last_events(most: int) -> list[RunEvent]:
    """Return the latest events of all runs, in order."""
    return list(RunEvent.objects.order_by("-pk")[:most])[::-1]
