"""The quality of data as the board, the heat map and the API show it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from monitoring.models import Expectation, QualityWindow, Refusal
from monitoring.models.quality import ALL, DATASET, LIVE, ROWS
from portal.core.models import ApiKey, User
from portal.lib import clock

SPAN = timedelta(hours=48)
N_DATASETS = 20
KEY, USER = "key:", "user:"


@dataclass(frozen=True)
class Source:
    """One source of data, its last hour, and what was refused of it lately.

    Attributes
    ----------
    scope, source
        As windows name them.
    name
        What people call it.
    last
        Its last hour, or the data set.
    n_refused
        Rows refused within the span.
    n_bad, n_windows
        Hours of the span that were not as expected, and all of them.
    """

    scope: str
    source: str
    name: str
    last: QualityWindow
    n_refused: int
    n_bad: int
    n_windows: int


def sources(now: datetime | None = None, span: timedelta = SPAN) -> list[Source]:
    """Return every source that sent something within a span, the troubled ones first."""
    moment = now or clock.now()
    since = moment - span
    windows: dict[tuple[str, str], list[QualityWindow]] = {}
    rows = QualityWindow.objects.filter(scope__startswith=LIVE, at__gte=since).order_by("at")
    for row in rows:
        windows.setdefault((row.scope, row.source), []).append(row)
    refused = _refused(since)
    called = names(source for _scope, source in windows)
    found = [
        Source(
            scope,
            source,
            called[source],
            group[-1],
            refused.get((scope, source), 0),
            sum(one.status == QualityWindow.Status.BAD for one in group),
            len(group),
        )
        for (scope, source), group in windows.items()
    ]
    bad = QualityWindow.Status.BAD
    return sorted(found, key=lambda one: (one.last.status != bad, -one.n_bad, one.name))


def _refused(since: datetime) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    rows = Refusal.objects.filter(at__gte=since, rule=ROWS).values_list("scope", "source", "n")
    for scope, source, n in rows:
        found[scope, source] = found.get((scope, source), 0) + n
    return found


def names(sources: Iterable[str]) -> dict[str, str]:
    """Return what people call sources: the name of a key or of an account."""
    wanted = set(sources)
    keys = {int(one[len(KEY) :]) for one in wanted if _is_numbered(one, KEY)}
    users = {int(one[len(USER) :]) for one in wanted if _is_numbered(one, USER)}
    called = {f"{KEY}{row.pk}": row.name for row in ApiKey.objects.filter(pk__in=keys)}
    called |= {f"{USER}{row.pk}": row.username for row in User.objects.filter(pk__in=users)}
    called[ALL] = _("all sources")
    return {one: called.get(one, one) for one in wanted}


def _is_numbered(source: str, prefix: str) -> bool:
    return source.startswith(prefix) and source[len(prefix) :].isdecimal()


def datasets(most: int = N_DATASETS) -> list[QualityWindow]:
    """Return the data sets that were checked last."""
    return list(QualityWindow.objects.filter(scope__startswith=DATASET)[:most])


@dataclass(frozen=True)
class Cell:
    """One column in one hour: the share that was missing; None when nothing came."""

    at: datetime
    share: float | None


@dataclass(frozen=True)
class Line:
    """One column over time.

    Attributes
    ----------
    column
    cells
        One for each hour, oldest first.
    limit
        The share that is expected at most, where something is.
    """

    column: str
    cells: Sequence[Cell]
    limit: float | None

    @property
    def most(self) -> float:
        """The greatest share."""
        return max((cell.share for cell in self.cells if cell.share is not None), default=0.0)


@dataclass(frozen=True)
class NullBoard:
    """Missing values of one source, by column and hour."""

    scope: str
    source: str
    hours: Sequence[datetime]
    lines: Sequence[Line]


def null_board(
    scope: str, source: str, now: datetime | None = None, span: timedelta = SPAN
) -> NullBoard:
    """Return the shares of missing values of a source, hour by hour.

    Columns are those that something is expected of, and those that had a missing value.
    """
    moment = now or clock.now()
    until = moment.replace(minute=0, second=0, microsecond=0)
    n_hours = int(span.total_seconds() // 3600)
    hours = [until - timedelta(hours=n_hours - i) for i in range(n_hours)]
    rows = QualityWindow.objects.filter(scope=scope, source=source, at__gte=hours[0], at__lt=until)
    by_hour = {row.at: row for row in rows}
    expected = Expectation.objects.filter(scope=scope, rule="nulls", is_enabled=True)
    limits = {one.column: one.limits.get("max_share") for one in expected}
    columns = sorted({*limits, *(name for row in by_hour.values() for name in row.nulls)})
    lines = [
        Line(column, [_cell(by_hour.get(hour), hour, column) for hour in hours], limits.get(column))
        for column in columns
    ]
    return NullBoard(scope, source, hours, lines)


def _cell(window: QualityWindow | None, at: datetime, column: str) -> Cell:
    n = window.n_judged if window else 0
    if window is None or not n:
        return Cell(at, None)
    return Cell(at, min(1.0, window.nulls.get(column, 0) / n))


def refusals(scope: str, source: str, since: datetime) -> list[Mapping[str, object]]:
    """Return how often rows of a source broke each rule since a moment, the most frequent first."""
    found: dict[tuple[str, str], int] = {}
    rows = Refusal.objects.filter(scope=scope, at__gte=since).exclude(rule=ROWS)
    if source:
        rows = rows.filter(source=source)
    for rule, column, n in rows.values_list("rule", "column", "n"):
        found[rule, column] = found.get((rule, column), 0) + n
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [{"rule": rule, "column": column, "n": n} for (rule, column), n in ranked]
