"""What is looked up when the metrics are asked for: figures that no process counts."""

import os
import shutil
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Min
from prometheus_client.metrics_core import Metric

from monitoring import health
from monitoring.selectors import drift as drifts
from monitoring.selectors.objectives import board
from portal.core.findings import BY_GRAVITY, Status
from portal.core.models import Alert
from portal.core.store import redis_client
from portal.lib import clock, metrics
from portal.lib.metrics import family
from portal.registry.models import AliasAssignment
from portal.runs import provenance, selectors
from portal.runs.models import Heartbeat, Queue, Run, Schedule

#: As long as health waits for a sign of life.
ALIVE_WITHIN = timedelta(seconds=15)


def register() -> None:
    """Have everything of this module looked up at each scrape."""
    known = (server, checks, work, schedules, models, drift, queries, alerts, objectives)
    for read in (*known, disk, stores):
        metrics.at_scrape(read.__name__, read)


def drift() -> Iterable[Metric]:
    """Tell how far the predictions of live models have moved."""
    yield family(
        "portal_drift_kl_divergence",
        "KL divergence of recent scores from the baseline.",
        ("model",),
        [((model,), value) for model, value in drifts.divergences().items()],
    )
    yield family(
        "portal_drift_events_open",
        "Drift events that last.",
        ("model",),
        [((model,), n_open) for model, n_open in drifts.open_by_model().items()],
    )
    behind = drifts.backlog(clock.now())
    yield family(
        "portal_drift_lag_seconds",
        "Age of the oldest recorded prediction that was not counted yet.",
        (),
        [((), behind.lag_s)],
    )
    yield family(
        "portal_drift_waiting",
        "Recorded predictions that were not counted yet, up to 100,000.",
        (),
        [((), behind.n_waiting)],
    )


def queries() -> Iterable[Metric]:
    """Tell how far what live search indexes are asked has moved; what nobody knows is left out."""
    rows = drifts.query_watches()
    yield family(
        "portal_drift_query_ratio",
        "Distance of recent queries from those before the build, in thresholds.",
        ("collection",),
        [((row.collection,), row.ratio) for row in rows if row.ratio is not None],
    )
    yield family(
        "portal_drift_queries_exceeded",
        "Whether the queries of a live index are beyond the threshold.",
        ("collection",),
        [((row.collection,), int(row.exceeded_at is not None)) for row in rows],
    )


def server() -> Iterable[Metric]:
    """Tell how long the server runs and what it is."""
    yield family(
        "portal_uptime_seconds", "Time since the server started.", (), [((), health.uptime_s())]
    )
    labels = (settings.VERSION, provenance.code_revision()[:12])
    yield family("portal_build_info", "What runs here.", ("version", "revision"), [(labels, 1)])


def checks() -> Iterable[Metric]:
    """Tell what the health checks found last."""
    found = health.report()["checks"]
    yield family(
        "portal_check_status",
        "State of a part: 0 healthy, 1 degraded, 2 unhealthy.",
        ("check",),
        [((name,), BY_GRAVITY.index(Status(body["status"]))) for name, body in found.items()],
    )


def work() -> Iterable[Metric]:
    """Tell what waits, who works and what nobody dealt with."""
    alive_since = clock.now() - ALIVE_WITHIN
    depths = selectors.queue_depths(alive_since)
    by_state = [((one.queue, "queued"), one.n_queued) for one in depths]
    by_state += [((one.queue, "running"), one.n_running) for one in depths]
    yield family("portal_queue_runs", "Runs by queue and state.", ("queue", "state"), by_state)
    workers = [((one.queue,), one.n_workers) for one in depths]
    yield family("portal_queue_workers", "Workers that serve a queue.", ("queue",), workers)
    yield family(
        "portal_queue_oldest_wait_seconds",
        "How long the oldest due run has waited.",
        ("queue",),
        _waits(),
    )
    alive = Heartbeat.objects.filter(at__gte=alive_since).values_list("role")
    roles = [((role,), n) for role, n in alive.annotate(n=Count("pk")).order_by()]
    yield family("portal_processes", "Processes that gave a sign of life.", ("role",), roles)
    dead = Run.objects.dead().filter(retries=None).count()
    yield family("portal_runs_dead", "Runs that errored and nobody retried.", (), [((), dead)])


def _waits() -> list[tuple[tuple[str], float]]:
    now = clock.now()
    due = Run.objects.queued().exclude(not_before__gt=now).order_by()
    oldest = dict(due.values_list("queue").annotate(since=Min("created_at")))
    return [
        ((queue,), (now - oldest[queue]).total_seconds() if queue in oldest else 0.0)
        for queue in Queue.values
    ]


def schedules() -> Iterable[Metric]:
    """Tell how many schedules are on, and how many of those should have started."""
    enabled = Schedule.objects.filter(periodic_task__enabled=True)
    overdue = enabled.annotate(grace=F("grace_s") * timedelta(seconds=1)).filter(
        next_due_at__lt=clock.now() - F("grace")
    )
    counts = [(("enabled",), enabled.count()), (("overdue",), overdue.count())]
    yield family("portal_schedules", "Schedules by state.", ("state",), counts)


def models() -> Iterable[Metric]:
    """Tell which version each alias points at."""
    rows = AliasAssignment.objects.values_list("model__name", "alias", "version__number")
    yield family(
        "portal_model_version",
        "Version that an alias of a model points at.",
        ("model", "alias"),
        [((model, alias), number) for model, alias, number in rows],
    )


def alerts() -> Iterable[Metric]:
    """Tell how many alerts are open."""
    rows = Alert.objects.open().order_by().values_list("severity").annotate(n=Count("pk"))
    found = dict(rows)
    by_severity = [((name,), found.get(name, 0)) for name in Alert.Severity.values]
    yield family("portal_alerts_open", "Open alerts by severity.", ("severity",), by_severity)


def objectives() -> Iterable[Metric]:
    """Tell what was measured of each objective last; what was not measured is left out."""
    measured = [one for one in board() if one.last is not None and one.last.value is not None]
    for name, documentation in (
        ("value", "Last measurement of an objective."),
        ("target", "Goal of an objective."),
        ("budget_left", "Share of an error budget that is left."),
    ):
        found = [((one.objective.kind,), getattr(one.last, name)) for one in measured]
        known = [(labels, value) for labels, value in found if value is not None]
        yield family(f"portal_objective_{name}", documentation, ("objective",), known)


def disk() -> Iterable[Metric]:
    """Tell how much room is left where the portal keeps its files."""
    usage = shutil.disk_usage(settings.HOME)
    sizes = [(("free",), usage.free), (("total",), usage.total)]
    yield family("portal_disk_bytes", "Room on the disk of the state folder.", ("kind",), sizes)
    n_cpus = os.cpu_count() or 1
    load = [((), os.getloadavg()[0] / n_cpus)]
    yield family("portal_load_per_cpu", "Runnable processes a core, one minute.", (), load)


def stores() -> Iterable[Metric]:
    """Tell how much Postgres and Redis hold."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (n_bytes,) = cursor.fetchone()
    yield family("portal_database_bytes", "Size of the database.", (), [((), n_bytes)])
    used = redis_client().info("memory")["used_memory"]
    yield family("portal_redis_bytes", "Memory that Redis uses.", (), [((), used)])
