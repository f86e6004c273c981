"""What the pages of drift show: distributions beside their baseline, courses, features."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from monitoring.engine import plots
from monitoring.engine.looks import N_LEADING, SCORES, Reference
from monitoring.engine.panel import Panel
from monitoring.engine.reference import N_BINS, Column, Floats
from monitoring.models import DriftBlock, DriftPoint, DriftWindow
from portal.core import formats
from portal.lib import clock

#: Points drawn of one course; more would not show.
MOST_POINTS = 400


@dataclass(frozen=True)
class Feature:
    """One feature in the last look.

    Attributes
    ----------
    name : str
    statistic : float
    threshold : float or None
        None until something was learnt.
    spark : str
        Points of its course.
    """

    name: str
    statistic: float
    threshold: float | None
    spark: str

    @property
    def ratio(self) -> float | None:
        """The statistic in thresholds."""
        return self.statistic / self.threshold if self.threshold else None


def window_rows(row: DriftWindow) -> Floats:
    """Return the rows of a window now, float [n, 2 + n_features], oldest first."""
    width = len((row.reference or {"columns": ()})["columns"])
    blocks = list(DriftBlock.objects.filter(window=row).order_by("number"))
    if not blocks or not width:
        return np.empty((0, width))
    parts = [np.frombuffer(bytes(one.rows), dtype=np.float32) for one in blocks]
    rows = np.concatenate(parts).reshape(-1, width)[-row.window :]
    return rows.astype(np.float64)


def distribution(row: DriftWindow, name: str = SCORES) -> plots.Bars | None:
    """Return the picture of one column now beside its baseline; None when there is none to draw."""
    if row.reference is None:
        return None
    reference = Reference.from_dict(row.reference)
    rows = window_rows(row)
    if name not in reference.columns or not len(rows):
        return None
    panel = Panel(reference.columns)
    column = reference.columns[name]
    now = panel.count(rows)[panel.names.index(name)]
    is_used = np.append(np.arange(N_BINS) < column.n_bins, True)
    is_used[-1] = bool(column.counts[-1] or now[-1])
    labels = [label for label, used in zip(_labels(column), is_used, strict=True) if used]
    return plots.bars(
        (column.counts / max(column.n_rows, 1))[is_used].tolist(),
        (now / max(now.sum(), 1))[is_used].tolist(),
        labels,
    )


def _labels(column: Column) -> list[str]:
    """Return what each bin holds, the place of missing values last."""
    edges = [formats.figure(edge) for edge in column.edges.tolist() if np.isfinite(edge)]
    if not edges:
        return [*[""] * N_BINS, formats.DASH]
    if len(edges) == 2 and edges[0] == edges[1]:
        kinds = [f"< {edges[0]}", edges[0], f"> {edges[0]}"]
        return [*kinds, *[""] * (N_BINS - len(kinds)), formats.DASH]
    inner = [f"{low} … {high}" for low, high in pairwise(edges)]
    bins = [f"≤ {edges[0]}", *inner, f"> {edges[-1]}"]
    return [*bins, *[""] * (N_BINS - len(bins)), formats.DASH]


def points_of(row: DriftWindow, since: datetime) -> list[DriftPoint]:
    """Return the course of a window since a moment, thinned to what can be seen.

    Of each group that is thinned the point with the greatest divergence stays.
    """
    points = list(DriftPoint.objects.filter(window=row, at__gte=since).order_by("at"))
    size = -(-len(points) // MOST_POINTS)
    if size <= 1:
        return points
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [max(group, key=lambda point: point.kl) for group in groups]


def course(points: list[DriftPoint], since: datetime) -> plots.Course:
    """Return the picture of the divergence of the scores and of their PSI over time."""
    return plots.course(
        [point.at.timestamp() for point in points],
        [point.kl for point in points],
        [point.threshold for point in points],
        [f"{formats.moment(point.at)}: KL {point.kl:.4f}, PSI {point.psi:.4f}" for point in points],
        beside=[point.psi for point in points],
        marks=_marks(since, clock.now()),
    )


def _marks(since: datetime, until: datetime) -> list[tuple[float, str]]:
    moments = [since + (until - since) * share for share in (0.0, 0.5, 1.0)]
    return [(at.timestamp(), formats.moment(at)) for at in moments]


def features_of(row: DriftWindow, points: list[DriftPoint]) -> list[Feature]:
    """Return the features as the last look saw them, the farthest from its baseline first."""
    columns = (row.latest or {}).get("columns", {})
    names = [one["name"] for one in (row.reference or {"columns": ()})["columns"]][N_LEADING:]
    courses = _courses(points, len(names))
    found = [
        Feature(name, columns[name][0], columns[name][1], plots.spark(courses[:, place].tolist()))
        for place, name in enumerate(names)
        if name in columns
    ]
    return sorted(found, key=lambda one: -(one.ratio or one.statistic))


def _courses(points: list[DriftPoint], n_features: int) -> Floats:
    """Return the statistics of all features over time, float [n_points, n_features]."""
    rows = [np.frombuffer(bytes(point.columns), dtype=np.float32) for point in points]
    whole = [row for row in rows if len(row) == n_features]
    return np.stack(whole).astype(np.float64) if whole else np.empty((0, n_features))
