"""What is counted of runs and schedules, for every worker and beat together."""

from portal.lib import metrics
from portal.runs.models import Run

RUNS = metrics.counter("portal_runs_total", "Runs that are over.", ["kind", "state"])
RUN_S = metrics.histogram(
    "portal_run_seconds", "Time from a run's first start to its end.", ["kind"], metrics.LONG_S
)
SLOTS = metrics.counter(
    "portal_schedule_slots_total", "Due times of schedules, by what became of them.", ["outcome"]
)


def ended(run: Run) -> None:
    """Count a run that is over."""
    RUNS.labels(run.kind, run.state).inc()
    if run.started_at is not None and run.finished_at is not None:
        RUN_S.labels(run.kind).observe((run.finished_at - run.started_at).total_seconds())


def settled(outcome: str, n: int = 1) -> None:
    """Count due times of schedules that were settled."""
    SLOTS.labels(outcome).inc(n)
