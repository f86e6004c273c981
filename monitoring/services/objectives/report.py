"""The report of a month: every objective over the calendar month, and what went wrong in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count
from django.template.loader import render_to_string
from django.utils import timezone, translation

from monitoring.models import Measurement, Objective
from monitoring.services import series
from monitoring.services.objectives import definitions, evaluating, measures
from monitoring.services.objectives.definitions import Definition
from portal.core.models import Alert
from portal.lib import clock
from portal.registry.models import AliasMove
from portal.runs.models import Run

LANGUAGES = ("ko", "en")
MOST_ALERTS = 50


@dataclass(frozen=True)
class Line:
    """One objective in the month, and in the month before."""

    objective: Objective
    known: Definition
    found: Measurement
    before: Measurement

    @property
    def now(self) -> str:
        """The value in words."""
        return evaluating.worded(self.known, self.found.value)

    @property
    def earlier(self) -> str:
        """The value of the month before in words."""
        return evaluating.worded(self.known, self.before.value)

    @property
    def goal(self) -> str:
        """The goal in words."""
        return evaluating.worded(self.known, self.objective.target)

    @property
    def reason(self) -> str:
        """Why there is no value."""
        return str(definitions.REASONS.get(self.found.reason, self.found.reason))


@dataclass(frozen=True)
class Report:
    """Everything of one month."""

    since: datetime
    until: datetime
    made_at: datetime
    lines: Sequence[Line]
    n_requests: float
    n_predictions: float
    runs: Sequence[tuple[str, int]]
    alerts: Sequence[Alert]
    n_alerts: int
    moves: Sequence[AliasMove]

    @property
    def n_met(self) -> int:
        return self._n(Measurement.Status.MET)

    @property
    def n_missed(self) -> int:
        return self._n(Measurement.Status.MISSED)

    @property
    def n_unmeasured(self) -> int:
        return self._n(Measurement.Status.UNMEASURED)

    def _n(self, status: str) -> int:
        return sum(line.found.status == status for line in self.lines)


def month_before(moment: datetime) -> tuple[datetime, datetime]:
    """Return the start and end of the calendar month before a moment, in the portal's zone."""
    local = timezone.localtime(moment)
    end = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return _month_earlier(end), end


def month_named(text: str) -> tuple[datetime, datetime]:
    """Return the start and end of a calendar month.

    Raises
    ------
    ValueError
        When the text is no year and month, as ``2026-11``.
    """
    year, _dash, month = text.partition("-")
    is_spelt = len(year) == 4 and len(month) == 2 and (year + month).isdecimal()
    if not is_spelt or not 1 <= int(month) <= 12 or not 2000 <= int(year) < 2100:
        raise ValueError(f"{text!r} is no month")
    start = datetime(int(year), int(month), 1)  # noqa: DTZ001 - made aware in the next line
    start = timezone.make_aware(start)
    following = (start.year + start.month // 12, start.month % 12 + 1)
    return start, start.replace(year=following[0], month=following[1])


def _month_earlier(start: datetime) -> datetime:
    if start.month == 1:
        return start.replace(year=start.year - 1, month=12)
    return start.replace(month=start.month - 1)


def compile_report(since: datetime, until: datetime) -> Report:
    """Measure every objective over a month and the month before, and gather what happened."""
    earlier = _month_earlier(since)
    lines = [_line(objective, earlier, since, until) for objective in evaluating.ensure()]
    runs = Run.objects.filter(finished_at__gte=since, finished_at__lt=until)
    alerts = Alert.objects.filter(first_at__gte=since, first_at__lt=until).order_by("first_at")
    moves = AliasMove.objects.filter(at__gte=since, at__lt=until).order_by("at")
    return Report(
        since=since,
        until=until,
        made_at=clock.now(),
        lines=lines,
        n_requests=measures.counted(series.REQUESTS, since, until),
        n_predictions=measures.counted(series.PREDICTIONS, since, until),
        runs=list(runs.order_by("state").values_list("state").annotate(n=Count("pk"))),
        alerts=list(alerts[:MOST_ALERTS]),
        n_alerts=alerts.count(),
        moves=list(moves.select_related("model", "from_version__model", "to_version__model")),
    )


def _line(objective: Objective, earlier: datetime, since: datetime, until: datetime) -> Line:
    found = evaluating.judged(objective, evaluating.look(objective, since, until), until)
    before = evaluating.judged(objective, evaluating.look(objective, earlier, since), since)
    return Line(objective, definitions.BY_KIND[objective.kind], found, before)


def render(report: Report, language: str) -> bytes:
    """Return the report as one HTML file that needs nothing else."""
    with translation.override(language):
        page = render_to_string("monitoring/report.html", {"report": report, "language": language})
    return page.encode()
