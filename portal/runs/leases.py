"""Changes of a run's state, each one conditional update with its row count checked.

Leases are measured by the database's clock alone: the clocks of workers and reapers may differ.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from portal.core import alerts
from portal.core.models import Alert
from portal.runs import counts, events, provenance
from portal.runs.models import DEAD_LETTER, TERMINAL_STATES, Run, State
from portal.runs.resources import Usage


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes
    ----------
    state
        A terminal state, or queued to try again.
    counted
        Whether the attempt counts against the cap when the run is queued again.
    delay_s
        How long to wait before the next attempt.
    """

    state: State
    result: dict[str, Any] = field(default_factory=dict)
    error_code: str = ""
    error_message: str = ""
    counted: bool = True
    delay_s: float = 0.0


def lease_end() -> Any:
    """Return the expression for the end of a lease that starts now."""
    return Now() + timedelta(seconds=settings.RUN_LEASE_S)


def held(run: Run) -> QuerySet[Run]:
    """Return the run's row if this attempt still owns it."""
    return Run.objects.running().filter(pk=run.pk, fence=run.fence)


def is_due() -> Q:
    """Return the condition for queued runs that may start now."""
    return Q(not_before__isnull=True) | Q(not_before__lte=Now())


def claim(run_id: UUID | str, *, worker: str) -> Run | None:
    """Take a queued run for this worker.

    Returns
    -------
    Run or None
        The run as claimed, with its attempt and fencing token, or None when it is not to be had:
        over, not yet due, taken by another worker, or held back by a running run with the same
        overlap key.
    """
    run = Run.objects.queued().filter(is_due(), pk=run_id).first()
    if run is None:
        return None
    try:
        with transaction.atomic():
            taken = _take(run, worker)
    except IntegrityError:
        return None
    return Run.objects.get(pk=run.pk) if taken else None


def _take(run: Run, worker: str) -> bool:
    taken = Run.objects.queued().filter(pk=run.pk, fence=run.fence).update(
        state=State.RUNNING,
        attempt=F("attempt") + 1,
        fence=F("fence") + 1,
        lease_expires_at=lease_end(),
        heartbeat_at=Now(),
        started_at=Coalesce(F("started_at"), Now()),
        not_before=None,
        worker=worker,
        host=provenance.host(),
        code_revision=provenance.code_revision(),
        library_versions=provenance.library_versions(),
        progress_fraction=0.0,
        progress_phase="",
        progress_message="",
        progress_rate=None,
        progress_eta_s=None,
    )  # fmt: skip
    if taken:
        events.state_event(run.pk, State.RUNNING, attempt=run.attempt + 1, worker=worker)
    return bool(taken)


def settle(run: Run, outcome: Outcome, usage: Usage | None = None) -> bool:
    """End this attempt as told; False when another attempt or a cancellation came first."""
    return change(held(run), run.pk, outcome, usage)


def change(rows: QuerySet[Run], run_id: UUID, outcome: Outcome, usage: Usage | None = None) -> bool:
    """Move the one row of a conditional query to an outcome; False when it no longer matches."""
    values = _over(outcome) if outcome.state in TERMINAL_STATES else _again(outcome)
    if usage is not None:
        values |= {
            "peak_memory_bytes": usage.peak_memory_bytes,
            "cpu_seconds": usage.cpu_seconds,
        }
    with transaction.atomic():
        if not rows.update(**values):
            return False
        events.state_event(run_id, outcome.state, outcome.error_message, code=outcome.error_code)
        if outcome.state in TERMINAL_STATES:
            _conclude(Run.objects.get(pk=run_id))
    return True


def _conclude(run: Run) -> None:
    """Count a run that is over; tell of one that became a dead letter."""
    if run.state == State.ERRORED:
        _alert(run)
    transaction.on_commit(partial(counts.ended, run))


def alert_key(run_id: UUID) -> str:
    """Return the key of the alert that a run became a dead letter."""
    return f"{DEAD_LETTER}{run_id}"


def _alert(run: Run) -> None:
    values = {"run": run, "kind": run.kind, "error": run.error_message}
    alerts.raise_alert(
        alert_key(run.pk),
        Alert.Severity.CRITICAL,
        lambda: _("The run “%(run)s” of kind %(kind)s ended in an error: %(error)s") % values,
        f"/admin/runs/run/{run.pk}/change/",
    )


def _over(outcome: Outcome) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": outcome.state,
        "result": events.clean_json(outcome.result),
        "error_code": outcome.error_code[:80],
        "error_message": events.clean_text(outcome.error_message),
        "finished_at": Now(),
        "lease_expires_at": None,
        "progress_eta_s": None,
    }
    if outcome.state == State.SUCCEEDED:
        values["progress_fraction"] = 1.0
    return values


def _again(outcome: Outcome) -> dict[str, Any]:
    delayed = Now() + timedelta(seconds=outcome.delay_s) if outcome.delay_s else None
    values: dict[str, Any] = {
        "state": State.QUEUED,
        "error_code": outcome.error_code[:80],
        "error_message": events.clean_text(outcome.error_message),
        "lease_expires_at": None,
        "sent_at": None,
        "not_before": delayed,
        "worker": "",
    }
    if not outcome.counted:
        values["attempt"] = F("attempt") - 1
    return values
