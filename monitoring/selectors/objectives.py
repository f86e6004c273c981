"""Objectives as the board, the API and the report show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import OuterRef, QuerySet, Subquery

from monitoring.models import Measurement, Objective
from portal.lib import clock
from portal.runs.models import Run, RunArtifact, State

#: The kind of run that writes reports.
REPORT = "monitoring.monthly_report"
HISTORY = timedelta(days=90)
#: A change within a week below this share of the older value is none; ours.
STEADY = 0.01
WEEK = timedelta(days=7)
BETTER, WORSE, SAME = "better", "worse", "same"


@dataclass(frozen=True)
class Standing:
    """One objective, what was measured of it last, and how it came there.

    Attributes
    ----------
    objective
    last
        None before anything was measured.
    history
        The last measurement of each day, oldest first.
    """

    objective: Objective
    last: Measurement | None
    history: Sequence[Measurement]

    @property
    def values(self) -> list[float]:
        """Values of the days on which there was one."""
        return [one.value for one in self.history if one.value is not None]

    def trend(self, *, is_floor: bool) -> str:
        """Return whether it got better within a week; empty without two values a day apart."""
        valued = [one for one in self.history if one.value is not None]
        if len(valued) < 2:
            return ""
        now = valued[-1]
        older = [one for one in valued[:-1] if now.at - one.at <= WEEK]
        before = (older or valued[:-1])[0].value
        if now.value is None or before is None:
            return ""
        if abs(now.value - before) <= STEADY * max(abs(before), 1e-12):
            return SAME
        return BETTER if (now.value > before) == is_floor else WORSE


def board(now: datetime | None = None) -> list[Standing]:
    """Return every objective with its standing, in three queries."""
    moment = now or clock.now()
    latest = Measurement.objects.filter(objective=OuterRef("pk")).order_by("-at", "-id")
    objectives = list(Objective.objects.annotate(last_id=Subquery(latest.values("pk")[:1])))
    last = Measurement.objects.in_bulk([one.last_id for one in objectives if one.last_id])
    days = _days(Measurement.objects.filter(at__gte=moment - HISTORY))
    return [Standing(one, last.get(one.last_id or 0), days.get(one.pk, [])) for one in objectives]


def standing(objective: Objective, now: datetime | None = None) -> Standing:
    """Return one objective with its standing."""
    moment = now or clock.now()
    rows = Measurement.objects.filter(objective=objective)
    days = _days(rows.filter(at__gte=moment - HISTORY))
    return Standing(objective, rows.first(), days.get(objective.pk, []))


def _days(rows: QuerySet[Measurement]) -> dict[int, list[Measurement]]:
    """Return the last measurement of each day, by objective."""
    ordered = rows.order_by("objective_id", "at__date", "-at", "-id")
    kept = ordered.distinct("objective_id", "at__date")
    return {
        objective_id: list(group)
        for objective_id, group in groupby(kept, lambda one: one.objective_id)
    }


@dataclass(frozen=True)
class Written:
    """One monthly report: its run and its files by language."""

    run: Run
    month: str
    files: dict[str, list[RunArtifact]]


def reports(most: int) -> list[Written]:
    """Return the latest monthly reports, newest first."""
    runs = Run.objects.filter(kind=REPORT, state=State.SUCCEEDED).order_by("-finished_at")
    return [
        Written(
            run,
            str(run.result.get("month", "")),
            _by_language(run.run_artifacts.all()),
        )
        for run in runs.prefetch_related("run_artifacts")[:most]
    ]


def _by_language(files: Iterable[RunArtifact]) -> dict[str, list[RunArtifact]]:
    """Return files such as ``report-2026-11.ko.pdf`` by their language, in alphabetical order."""
    found: dict[str, list[RunArtifact]] = {}
    for one in sorted(files, key=lambda file: file.name):
        found.setdefault(one.name.split(".")[-2], []).append(one)
    return found
