"""What workers do with a message: claim the run, do its work, settle the outcome."""

import os
import time
from typing import Any

import structlog
from celery import Task, shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from portal.core import alerts
from portal.core.errors import LeaseLost, NotFound, PortalError, RunCancelled
from portal.core.models import Alert
from portal.runs import kinds, leases, messages
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.leases import Outcome
from portal.runs.models import Run, State
from portal.runs.services import upkeep

DATABASE_TROUBLE = (OperationalError, InterfaceError)
TRANSIENT = (*DATABASE_TROUBLE, RedisConnectionError, RedisTimeoutError)
SWEEP = "portal.runs.sweep"
SERVER_FAULT = 500
SCHEDULED = "run-failed:"
LONGEST_DELAY_S = 60.0

log = structlog.get_logger(__name__)


@shared_task(name=messages.EXECUTE, bind=True, ignore_result=True)
def execute(self: Task[..., Any], run_id: str) -> None:
    """Do the run a message speaks of, if it is still to be had."""
    perform(run_id, worker=f"{self.request.hostname}:{os.getpid()}")


@shared_task(name=SWEEP, ignore_result=True)
def sweep() -> None:
    """Sweep and reap; the beat asks for it every few seconds, with an expiry against pile-ups."""
    upkeep.sweep()


def perform(run_id: str, *, worker: str) -> None:
    """Claim a run, do its work in this process and settle the outcome."""
    run = leases.claim(run_id, worker=worker)
    if run is None:
        log.info("run_not_to_be_had", run_id=run_id)
        return
    with structlog.contextvars.bound_contextvars(
        run_id=run_id, kind=run.kind, attempt=run.attempt, request_id=run.request_id
    ):
        log.info("run_started")
        with Keeper(run) as keeper:
            outcome = _outcome(run, keeper)
        if outcome is not None:
            _settle(run, outcome, keeper)
            upkeep.send_next(run.overlap_key)


def _outcome(run: Run, keeper: Keeper) -> Outcome | None:
    """Do the work; None when this attempt no longer owns the run."""
    try:
        result = kinds.get(run.kind).work(RunContext(run, keeper))
    except LeaseLost:
        log.warning("run_lease_lost")
        return None
    except RunCancelled as exc:
        return Outcome(State.CANCELLED, error_code=exc.specific_code, error_message=str(exc))
    except PortalError as exc:
        return _refusal(run, exc)
    except TRANSIENT as exc:
        log.warning("run_interrupted", exc_info=exc)
        return _again(run, "interrupted", f"{type(exc).__name__}: {exc}")
    except Exception as exc:  # whatever the work raises, the run must end
        log.exception("run_errored")
        return Outcome(
            State.ERRORED, error_code="unexpected", error_message=f"{type(exc).__name__}: {exc}"
        )
    return Outcome(State.SUCCEEDED, result=result or {})


def _refusal(run: Run, error: PortalError) -> Outcome:
    """Return the outcome for an error that was raised on purpose."""
    if error.retryable or (isinstance(error, NotFound) and error.specific_code == "unknown_kind"):
        return _again(run, error.specific_code, str(error))
    if error.status >= SERVER_FAULT:
        log.error("run_errored", exc_info=error)
    state = State.ERRORED if error.status >= SERVER_FAULT else State.FAILED
    return Outcome(state, error_code=error.specific_code, error_message=str(error))


def _again(run: Run, code: str, message: str) -> Outcome:
    if run.attempt >= run.max_attempts:
        text = _("Tried %(count)s times, the last time: %(message)s")
        message = text % {"count": run.attempt, "message": message}
        return Outcome(State.ERRORED, error_code=code, error_message=message)
    delay_s = min(2.0**run.attempt, LONGEST_DELAY_S)
    return Outcome(State.QUEUED, error_code=code, error_message=message, delay_s=delay_s)


def _settle(run: Run, outcome: Outcome, keeper: Keeper) -> None:
    """Write the outcome; a database that is away is waited for as long as a lease lasts."""
    deadline = time.monotonic() + settings.RUN_LEASE_S
    while True:
        try:
            written = leases.settle(run, outcome, keeper.meter.read())
        except DATABASE_TROUBLE:
            connection.close()
            if time.monotonic() > deadline:
                log.exception("run_outcome_not_written", state=outcome.state)
                return
            time.sleep(1)
            continue
        log.info("run_settled" if written else "run_outcome_refused", state=outcome.state)
        if written:
            tell_of_schedule(run, outcome)
        return


def tell_of_schedule(run: Run, outcome: Outcome) -> None:
    """Alert when the work of a schedule said no, which nobody would look at; until it succeeds."""
    key = f"{SCHEDULED}{run.kind}"
    if outcome.state == State.SUCCEEDED:
        alerts.resolve_alert(key)
    if outcome.state != State.FAILED or run.started_via != Run.Via.SCHEDULE:
        return
    if kinds.get(run.kind).tells_itself:
        return
    values = {"run": run, "kind": run.kind, "error": outcome.error_message}
    alerts.raise_alert(
        key,
        Alert.Severity.WARNING,
        lambda: _("The scheduled run “%(run)s” of kind %(kind)s failed: %(error)s") % values,
        f"/admin/runs/run/{run.pk}/change/",
    )
