"""What windows are compared with: the baseline of a training, or a slice's own first windows."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import structlog

from monitoring.engine.looks import CALLS, SCORES, Reference
from monitoring.engine.reference import N_CELLS, Column, Floats, Rows, around, column_of, padded
from monitoring.engine.sliding import Rows32
from portal.core.errors import Corrupt
from portal.registry.models import ModelVersion
from predictions import selectors as predictions

log = structlog.get_logger(__name__)

#: Recorded probabilities are rounded to a millionth, so one that was an edge may lie above it.
SCORE_ROUNDING = 1e-6
HALF = 0.5


class Bins(Protocol):
    """A column in bins, as a training leaves it."""

    @property
    def edges(self) -> Sequence[float]: ...

    @property
    def counts(self) -> Sequence[int]: ...

    @property
    def n_missing(self) -> int: ...


def feature_names(version: ModelVersion) -> tuple[str, ...]:
    """Return the features of a version in the order of its signature."""
    return tuple(one["name"] for one in version.signature.get("features", ()))


def trained(version: ModelVersion) -> Reference | None:
    """Return the baseline that a training left with a version; None when there is none to use.

    A damaged one counts as missing: the registry raises the alert about the file.
    """
    try:
        baseline = predictions.drift_baseline(version)
    except Corrupt:
        log.warning("drift_baseline_damaged", version=str(version))
        return None
    names = feature_names(version)
    if baseline is None or set(names) - set(baseline.features):
        return None
    sample = {name: _floats(values) for name, values in baseline.sample.items()}
    classes = [baseline.classes.get("ok", 0), baseline.classes.get("defect", 0)]
    scores = _column(baseline.scores, sample["probability"])
    columns = {
        SCORES: Column(scores.edges + SCORE_ROUNDING, scores.counts, scores.values),
        CALLS: class_column(classes),
        **{name: _column(baseline.features[name], sample[name]) for name in names},
    }
    rows = Rows(np.stack([sample[name] for name in names], axis=1)) if names else None
    return Reference(columns, rows, threshold_of(version))


def class_column(counts: list[int]) -> Column:
    """Return the column of predicted classes from numbers of good and of defect calls."""
    cells = np.zeros(N_CELLS, dtype=np.int64)
    cells[:2] = counts
    return Column(padded([HALF]), cells, np.empty(0))


def threshold_of(version: ModelVersion) -> float | None:
    """Return from which score a version calls a defect."""
    value = version.settings.get("threshold")
    return float(value) if isinstance(value, int | float) else None


def _floats(values: list[float | None]) -> Floats:
    return np.array(values, dtype=np.float64)


def _column(bins: Bins, values: Floats) -> Column:
    seen = values[~np.isnan(values)]
    if not len(bins.edges) and len(seen):
        return _hardly_varying(bins, seen)
    counts = np.zeros(N_CELLS, dtype=np.int64)
    counts[: len(bins.counts)] = bins.counts
    counts[-1] = bins.n_missing
    return Column(padded(bins.edges), counts, seen)


def _hardly_varying(bins: Bins, seen: Floats) -> Column:
    """Return a column whose quantiles are all one value; its sample tells how many differ."""
    edges = padded(around(float(np.median(seen))))
    sampled = Column(edges, np.zeros(N_CELLS, dtype=np.int64), seen).count(seen)
    counts = np.rint(sampled * (sum(bins.counts) / len(seen))).astype(np.int64)
    counts[-1] = bins.n_missing
    return Column(edges, counts, seen)


def live(version: ModelVersion, window: Rows32) -> Reference:
    """Return the reference of a slice from its first full window."""
    values = window.astype(np.float64)
    n_defect = int((values[:, 1] > HALF).sum())
    columns = {
        SCORES: column_of(values[:, 0]),
        CALLS: class_column([len(values) - n_defect, n_defect]),
        **{
            name: column_of(values[:, 2 + index])
            for index, name in enumerate(feature_names(version))
        },
    }
    return Reference(columns, None, threshold_of(version))
