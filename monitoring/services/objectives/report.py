"""The report of a month: every objective over the calendar month, and what went wrong in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from monitoring.models import Measurement, Objective
from monitoring.services import series
from monitoring.services.objectives import definitions, evaluating, measures
from monitoring.services.objectives.definitions import Definition
from portal.core import formats
from portal.core.models import Alert
from portal.lib import clock
from portal.lib.documents import Block, Column, Document, Facts, Heading, Note, Paragraph, Table
from portal.registry.models import AliasMove
from portal.runs.models import Run, State

LANGUAGES = ("ko", "en")
MOST_ALERTS = 50
LONGEST_REASON, LONGEST_ALERT = 160, 240


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


def document(report: Report, language: str) -> Document:
    """Return the report of a month in a language, for every format."""
    with translation.override(language):
        month = f"{timezone.localtime(report.since):%Y-%m}"
        span = f"{formats.moment(report.since)} ~ {formats.moment(report.until)}"
        return Document(
            title=_("Report of %(month)s") % {"month": month},
            language=language,
            facts=((_("Month"), span), (_("Written"), formats.moment(report.made_at))),
            blocks=[
                *_objectives(report),
                *_work(report),
                *_went_live(report),
                *_alerts(report),
            ],
        )


def _objectives(report: Report) -> Iterator[Block]:
    yield Heading(_("Objectives"))
    counts = {"met": report.n_met, "missed": report.n_missed, "unmeasured": report.n_unmeasured}
    said = _("Met: %(met)d. Missed: %(missed)d. Not measured: %(unmeasured)d.") % counts
    yield Note("bad" if report.n_missed else "good", said)
    rows = [
        (
            str(line.known.title),
            line.goal,
            line.now + _interval(line.found),
            line.earlier,
            ": ".join(filter(None, (line.found.get_status_display(), line.reason))),
            line.objective.owner or formats.DASH,
        )
        for line in report.lines
    ]
    figures = (_("goal"), _("in the month"), _("the month before"))
    yield Table(
        [
            Column(_("objective")),
            *(Column(name, align="right") for name in figures),
            Column(_("status")),
            Column(_("owner")),
        ],
        rows,
    )


def _interval(found: Measurement) -> str:
    if found.low is None or found.high is None:
        return ""
    return f" ({formats.fixed(found.low)} … {formats.fixed(found.high)})"


def _work(report: Report) -> Iterator[Block]:
    yield Heading(_("What was done"))
    runs = [
        (_("Runs: %(state)s") % {"state": State(state).label}, formats.number(n))
        for state, n in report.runs
    ]
    yield Facts(
        (
            (_("Requests"), formats.figure(report.n_requests)),
            (_("Predictions"), formats.figure(report.n_predictions)),
            *runs,
        )
    )


def _went_live(report: Report) -> Iterator[Block]:
    yield Heading(_("What went live"))
    if not report.moves:
        yield Paragraph(_("Nothing changed."))
        return
    rows = [
        (
            formats.moment(move.at),
            move.get_alias_display(),
            f"{move.from_version or formats.DASH} → {move.to_version or formats.DASH}",
            move.get_kind_display(),
            move.actor,
            formats.clipped(move.reason, LONGEST_REASON),
        )
        for move in report.moves
    ]
    names = (_("Time"), _("Alias"), _("Version"), _("How"), _("Who"), _("Reason"))
    yield Table([Column(name) for name in names], rows)


def _alerts(report: Report) -> Iterator[Block]:
    yield Heading(_("Alerts"))
    if not report.alerts:
        yield Paragraph(_("None."))
        return
    rows = [
        (
            formats.moment(alert.first_at),
            alert.get_severity_display(),
            formats.clipped(alert.said, LONGEST_ALERT),
            formats.moment(alert.resolved_at) if alert.resolved_at else _("still open"),
        )
        for alert in report.alerts
    ]
    names = (_("Time"), _("Severity"), _("What"), _("Resolved"))
    yield Table([Column(name) for name in names], rows)
    if report.n_alerts > len(report.alerts):
        said = _("%(n)d alerts in all; the first of them are listed.")
        yield Paragraph(said % {"n": report.n_alerts})
