"""What keeps the promise that every run ends: the sweeper, the reaper, and the return of lost work.

The sweeper sends again what nobody was told of; the reaper takes runs from workers that fell
silent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from portal.runs import leases, messages, provenance
from portal.runs.leases import Outcome
from portal.runs.models import Run, State
from portal.runs.services import heartbeats

SWEEPER = "sweeper"
BATCH = 500
FRESH_S = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Swept:
    """What one sweep did.

    Attributes
    ----------
    n_sent
        Messages sent again.
    n_returned
        Runs taken from silent workers and queued again.
    n_ended
        Runs ended: cancelled, or errored after their last attempt.
    """

    n_sent: int
    n_returned: int
    n_ended: int


def sweep() -> Swept:
    """Take runs from silent workers, then send again whatever waits unheard."""
    n_returned, n_ended = reap()
    swept = Swept(resend(), n_returned, n_ended)
    if swept.n_sent or swept.n_returned or swept.n_ended:
        log.info("runs_swept", sent=swept.n_sent, returned=n_returned, ended=n_ended)
    heartbeats.beat(SWEEPER, role=SWEEPER)
    return swept


def sweep_if_overdue() -> Swept | None:
    """Sweep unless somebody else did lately; what workers do in case no beat calls for it."""
    last = heartbeats.age_s(SWEEPER)
    return sweep() if last is None or last > 3 * settings.RUN_SWEEP_S else None


def reap() -> tuple[int, int]:
    """Take runs from silent workers; return how many were queued again and how many ended."""
    n_returned = n_ended = 0
    for run in _abandoned()[:BATCH]:
        outcome = judge_lost(run)
        if not _take_away(run, outcome):
            continue
        if outcome.state == State.QUEUED:
            n_returned += 1
        else:
            n_ended += 1
    return n_returned, n_ended


def _abandoned() -> QuerySet[Run]:
    """Select running runs that nobody answers for, or that ignored a cancellation for long."""
    deaf_s = settings.RUN_CANCEL_GRACE_S + settings.RUN_LEASE_S
    ignored = Q(cancel_requested_at__lt=Now() - timedelta(seconds=deaf_s))
    return Run.objects.running().filter(Q(lease_expires_at__lt=Now()) | ignored)


def _take_away(run: Run, outcome: Outcome) -> bool:
    """Change a run that still is abandoned, unless it is writing its results right now."""
    with transaction.atomic():
        rows = _abandoned().filter(pk=run.pk, fence=run.fence)
        free = rows.select_for_update(skip_locked=True, no_key=True).values_list("pk").first()
        return free is not None and leases.change(rows, run.pk, outcome)


def judge_lost(run: Run) -> Outcome:
    """Return what becomes of a run whose worker died or fell silent."""
    if run.is_cancel_requested:
        return Outcome(
            State.CANCELLED,
            error_code="cancelled",
            error_message=_("The run was asked to stop and its worker is gone."),
        )
    if run.attempt < run.max_attempts:
        message = _("Worker %(worker)s fell silent in attempt %(attempt)s.")
        return Outcome(
            State.QUEUED,
            error_code="worker_lost",
            error_message=message % {"worker": run.worker, "attempt": run.attempt},
        )
    message = _(
        "The worker died or fell silent in each of %(attempts)s attempts, the last on %(worker)s. "
        "Find the cause, then retry the run."
    )
    return Outcome(
        State.ERRORED,
        error_code="worker_lost",
        error_message=message % {"attempts": run.attempt, "worker": run.worker},
    )


def return_from_dead_process(run_id: str, *, is_alive: Callable[[int], bool]) -> bool:
    """Take a run from a worker process of this machine that died, without waiting for the lease.

    Parameters
    ----------
    run_id
        The run; nothing happens unless a process of this machine holds it.
    is_alive
        Tells whether a process id of this machine lives.
    """
    run = Run.objects.running().filter(pk=run_id, host=provenance.host()).first()
    if run is None or not run.worker_pid or is_alive(run.worker_pid):
        return False
    if not leases.change(leases.held(run), run.pk, judge_lost(run)):
        return False
    send_if_queued(run)
    return True


def hand_back(workers: list[str]) -> int:
    """Queue the runs of workers that must stop now; the attempt does not count. Return how many."""
    outcome = Outcome(
        State.QUEUED,
        error_code="worker_stopping",
        error_message=_("The worker was stopped; the run starts again on another."),
        counted=False,
    )
    handed = [
        run
        for run in Run.objects.running().filter(worker__in=workers)
        if leases.change(leases.held(run), run.pk, outcome)
    ]
    for run in handed:
        send_if_queued(run)
    return len(handed)


def send_if_queued(run: Run) -> None:
    """Tell the workers about a run that was queued again."""
    if Run.objects.queued().filter(leases.is_due(), pk=run.pk).exists():
        messages.send(run.pk, run.queue)


def send_next(overlap_key: str) -> None:
    """Tell the workers about the oldest run that waited for another with the same key to end."""
    waiting = Run.objects.queued().filter(leases.is_due(), overlap_key=overlap_key)
    run = waiting.order_by("created_at").first() if overlap_key else None
    if run is not None:
        messages.send(run.pk, run.queue)


def resend() -> int:
    """Send the messages of queued runs that never left or were lost; return how many."""
    n_sent = 0
    for queue, rows in _unheard().items():
        for run_id in rows:
            if not messages.send(run_id, queue):
                return n_sent
            n_sent += 1
    return n_sent


def _unheard() -> dict[str, list[UUID]]:
    """Return, by queue, the runs that the workers must be told of once more.

    A run whose message was sent is only taken for lost when its queue holds fewer messages than
    runs: behind a long backlog the message simply waits, and sending it over and over would bury
    the broker.
    """
    free = Run.objects.queued().filter(leases.is_due()).exclude(_held_back())
    never = free.filter(sent_at__isnull=True, created_at__lt=Now() - timedelta(seconds=FRESH_S))
    late = Now() - timedelta(seconds=settings.RUN_RESEND_AFTER_S)
    found: dict[str, list[UUID]] = {}
    for run_id, queue in never.order_by("created_at").values_list("pk", "queue")[:BATCH]:
        found.setdefault(queue, []).append(run_id)
    queues = free.filter(sent_at__lt=late).order_by("queue").values_list("queue", flat=True)
    for queue in queues.distinct():
        sent = free.filter(queue=queue, sent_at__isnull=False)
        if _fewer_messages(queue, sent.count()):
            lost = sent.filter(sent_at__lt=late).order_by("created_at").values_list("pk", flat=True)
            found.setdefault(queue, []).extend(lost[:BATCH])
    return found


def _held_back() -> Exists:
    """Select runs that wait for a running one with the same overlap key."""
    busy = Run.objects.running().filter(overlap_key=OuterRef("overlap_key"))
    return Exists(busy.exclude(overlap_key=""))


def _fewer_messages(queue: str, n_runs: int) -> bool:
    try:
        return messages.n_waiting(queue) < n_runs
    except messages.BROKER_DOWN as exc:
        log.warning("broker_not_asked", queue=queue, error=str(exc))
        return False
