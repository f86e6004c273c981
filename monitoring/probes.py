"""How each part of the portal is looked at, and from where on it counts as ill.

The limits are ours. A sign of life comes every five seconds, so three missed ones make a process
dead; on the machine of its own the missing process id tells at once.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Min, Q

from monitoring.selectors import dead_man, drift
from portal.core.findings import Finding, Status
from portal.core.store import redis_client
from portal.lib import clock, lifesign
from portal.registry import families
from portal.registry.models import Alias, AliasAssignment, RegisteredModel
from portal.runs import provenance
from portal.runs.models import Heartbeat, Queue, Run
from portal.runs.storage_health import of_space

SILENT_AFTER_S = 15.0
WAITS_LONG_S = 600.0
WATCHES_LATE_S = 60.0

HEALTHY, DEGRADED, UNHEALTHY = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY


def postgres() -> Mapping[str, Finding]:
    """Ask Postgres the simplest question."""
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"postgres": Finding(HEALTHY, figures={"latency_ms": _since_ms(started)})}


def redis() -> Mapping[str, Finding]:
    """Ask Redis the simplest question."""
    started = time.perf_counter()
    redis_client().ping()
    return {"redis": Finding(HEALTHY, figures={"latency_ms": _since_ms(started)})}


def _since_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


class Migrations:
    """Whether all migrations are applied; once they are, the process need not ask again."""

    def __init__(self) -> None:
        self._are_applied = False

    def __call__(self) -> Mapping[str, Finding]:
        if not self._are_applied:
            executor = MigrationExecutor(connection)
            n_missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
            if n_missing:
                detail = f"{n_missing} migrations are not applied."
                return {"migrations": Finding(UNHEALTHY, detail, {"n_missing": n_missing})}
            self._are_applied = True
        return {"migrations": Finding(HEALTHY)}


def disk() -> Mapping[str, Finding]:
    """Look at the room left where the portal keeps its files."""
    return {"disk": of_space(shutil.disk_usage(settings.HOME).free, "The disk")}


def processes() -> Mapping[str, Finding]:
    """Look for processes of this machine that live and give no more signs of life."""
    signs = lifesign.given(settings.HOME / "run" / "alive")
    limit = time.time() - SILENT_AFTER_S
    hung = sorted(name for name, touched_at in signs.values() if touched_at < limit)
    figures = {"n_alive": len(signs) - len(hung), "n_hung": len(hung)}
    if hung:
        detail = f"Without a sign of life for {SILENT_AFTER_S:.0f} s: {', '.join(hung)}."
        return {"processes": Finding(DEGRADED, detail, figures)}
    return {"processes": Finding(HEALTHY, figures=figures)}


def work() -> Mapping[str, Finding]:
    """Look at the processes that work in the background, and at what waits for them."""
    alive = [row for row in Heartbeat.objects.all() if _is_alive(row)]
    return {
        "workers": _workers(alive),
        "beat": _one_of("beat", alive, "No beat: schedules do not start."),
        "recorder": _one_of("recorder", alive, "No recorder: predictions wait in Redis."),
        "sampler": _one_of("sampler", alive, "No sampler: usage and objectives stand still."),
        "watcher": _watcher(alive),
        "queues": _queues(),
        "dead_man": _dead_man(),
    }


def _dead_man() -> Finding:
    standing = dead_man.standing()
    figures = {
        "state": standing.state.value,
        "pinged_at": standing.pinged_at.isoformat() if standing.pinged_at else None,
    }
    if standing.state == dead_man.State.FAILING:
        return Finding(DEGRADED, "The address of the dead-man switch does not answer.", figures)
    if standing.state == dead_man.State.STILL:
        detail = "The notifier has not looked for a while whether all is well."
        return Finding(DEGRADED, detail, figures)
    # What holds the ping back is ill itself, and says so.
    return Finding(HEALTHY, figures=figures)


def _is_alive(row: Heartbeat) -> bool:
    is_gone = row.host == provenance.host() and not psutil.pid_exists(row.pid)
    return not is_gone and (clock.now() - row.at).total_seconds() < SILENT_AFTER_S


def _workers(alive: list[Heartbeat]) -> Finding:
    served = [queue for row in alive if row.role == "worker" for queue in row.detail["queues"]]
    figures = {"n_by_queue": {queue.value: served.count(queue.value) for queue in Queue}}
    missing = [name for name, n_workers in figures["n_by_queue"].items() if not n_workers]
    if not served:
        return Finding(UNHEALTHY, "No worker lives.", figures)
    if missing:
        return Finding(DEGRADED, f"No worker for {', '.join(missing)}.", figures)
    return Finding(HEALTHY, figures=figures)


def _one_of(role: str, alive: list[Heartbeat], detail: str) -> Finding:
    n_alive = sum(row.role == role for row in alive)
    figures = {"n_alive": n_alive}
    return Finding(HEALTHY, figures=figures) if n_alive else Finding(DEGRADED, detail, figures)


def _watcher(alive: list[Heartbeat]) -> Finding:
    found = _one_of("watcher", alive, "No watcher: drift goes unseen.")
    behind = drift.backlog(clock.now())
    figures = {
        **found.figures,
        "n_waiting": behind.n_waiting,
        "lag_seconds": round(behind.lag_s, 1),
    }
    if found.status == HEALTHY and behind.lag_s > WATCHES_LATE_S:
        detail = f"The watch on drift is {behind.lag_s:.0f} s behind the predictions."
        return Finding(DEGRADED, detail, figures)
    return Finding(found.status, found.detail, figures)


def _queues() -> Finding:
    moment = clock.now()
    is_due = Q(not_before__isnull=True) | Q(not_before__lte=moment)
    rows = (
        Run.objects.queued()
        .filter(is_due)
        .order_by()
        .values_list("queue")
        .annotate(n=Count("id"), oldest=Min("created_at"))
    )
    waiting = {queue: _Waiting(n, (moment - oldest).total_seconds()) for queue, n, oldest in rows}
    figures = {
        "n_queued_by_queue": {
            queue.value: waiting[queue].n if queue in waiting else 0 for queue in Queue
        },
        "oldest_wait_seconds": round(
            max((item.longest_s for item in waiting.values()), default=0), 1
        ),
    }
    late = sorted(queue for queue, item in waiting.items() if item.longest_s > WAITS_LONG_S)
    if late:
        return Finding(DEGRADED, f"Runs wait too long in {', '.join(late)}.", figures)
    return Finding(HEALTHY, figures=figures)


@dataclass(frozen=True)
class _Waiting:
    n: int
    longest_s: float


def champions() -> Mapping[str, Finding]:
    """Compare what answers in this process with what should."""
    assigned = dict(
        AliasAssignment.objects.filter(alias=Alias.CHAMPION).values_list(
            "model_id", "version__number"
        )
    )
    models = {
        model.name: {"champion": assigned.get(model.pk), "held": _held(model)}
        for model in RegisteredModel.objects.filter(retired_at__isnull=True)
    }
    return {"champions": _judge(models)}


def _held(model: RegisteredModel) -> int | None:
    family = families.get(model.family)
    return family.held(model.name) if isinstance(family, families.Serves) else None


def _judge(models: dict[str, dict[str, Any]]) -> Finding:
    figures = {"models": models}
    for name, model in models.items():
        if model["champion"] is None:
            return Finding(DEGRADED, f"The model {name} has no champion.", figures)
        if model["held"] != model["champion"]:
            return Finding(DEGRADED, f"The champion of {name} is not loaded here.", figures)
    return Finding(HEALTHY, figures=figures)
