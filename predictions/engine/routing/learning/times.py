"""Fit the time model: quantile trees by operation, margins on items they have not seen."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import RoutingBook, StepBook
from predictions.engine.routing.encoding import MAX_CODES, Floats
from predictions.engine.routing.learning.trees import (
    Constant,
    Grown,
    TreeSettings,
    copy_forest,
    grow_quantile,
    one_thread,
)
from predictions.engine.routing.times import (
    COVERAGE,
    LEAST_MINUTES,
    N_OUTPUTS,
    QUANTILES,
    TARGETS,
    TimeModel,
    time_design,
)

#: Rows an operation needs for trees; below, its own quantiles are the answer.
LEAST_ROWS = 60
#: Rows an operation needs for a margin of its own; below, that of all operations together holds.
LEAST_MARGIN_ROWS = 80


@dataclass(frozen=True)
class TimeRows:
    """Steps of one operation with what is known about their items.

    Attributes
    ----------
    items : intp array, shape [n]
        Positions in the design matrix.
    work_center : int array, shape [n]
    day : float64 array, shape [n]
    logs : float64 array, shape [n, 2]
        Logarithms of setup and run minutes.
    """

    items: NDArray[np.intp]
    work_center: NDArray[np.integer]
    day: NDArray[np.float64]
    logs: NDArray[np.float64]

    def of(self, is_wanted: NDArray[np.bool_]) -> "TimeRows":
        """Return the rows of some items."""
        kept = is_wanted[self.items]
        return TimeRows(self.items[kept], self.work_center[kept], self.day[kept], self.logs[kept])


def time_rows(book: RoutingBook, steps: StepBook) -> dict[str, TimeRows]:
    """Return the steps of every operation."""
    counts = np.diff(steps.offsets)
    items = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(items)) - np.repeat(steps.offsets[:-1], counts)
    numbers = book.sequences[book.item_routing[items], places]
    names = np.array([operation for operation, _ in book.steps])[numbers]
    minutes = np.column_stack([steps.setup_minutes, steps.run_minutes]).astype(np.float64)
    logs = np.log(np.maximum(minutes, LEAST_MINUTES))
    days = steps.valid_from[items].astype(np.float64)
    found = {}
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        found[str(name)] = TimeRows(items[rows], steps.work_center[rows], days[rows], logs[rows])
    return found


def fit_times(
    rows: Mapping[str, TimeRows],
    is_used: NDArray[np.bool_],
    design: Floats,
    n_categories: int,
    settings: TreeSettings,
    seed: int,
) -> TimeModel:
    """Fit quantile trees for every operation; margins are zero until `measured_margins`.

    Parameters
    ----------
    rows : mapping
        Operation → its steps.
    is_used : bool array, shape [n_items]
        Items to fit on; an operation that none of them has is fitted on all that have it.
    design : float32 array, shape [n_items, n_columns]
        Attributes of the items (see `Encoder.design`), categories first.
    n_categories : int
        How many of the columns are categories.
    settings : TreeSettings
    seed : int
    """
    operations = tuple(sorted(rows))
    used = {operation: _used(part, is_used) for operation, part in rows.items()}
    days = [part.day for part in used.values()]
    reference = int(np.median(np.concatenate(days)))
    places = tuple(_frequent_places(used[operation]) for operation in operations)
    ensembles: list[Grown | Constant] = []
    with one_thread():
        for operation, codes in zip(operations, places, strict=True):
            part = used[operation]
            matrix = time_design(design[part.items], part.work_center, part.day, codes, reference)
            ensembles += _ensembles(matrix, part.logs, settings, n_categories + 1, seed)
    margins = np.zeros((len(operations), len(TARGETS)))
    return TimeModel(operations, places, copy_forest(ensembles), margins, reference, (1.0, 1.0))


def _used(part: TimeRows, is_used: NDArray[np.bool_]) -> TimeRows:
    kept = part.of(is_used)
    return kept if len(kept.items) else part


def _frequent_places(part: TimeRows) -> dict[int, int]:
    frequent = Counter(part.work_center.tolist()).most_common(MAX_CODES)
    return {place: code for code, (place, _) in enumerate(frequent)}


def _ensembles(
    matrix: Floats, logs: NDArray[np.float64], settings: TreeSettings, n_categories: int, seed: int
) -> list[Grown | Constant]:
    if len(logs) < LEAST_ROWS:
        return [
            Constant(float(np.quantile(logs[:, target], quantile)))
            for target in range(len(TARGETS))
            for quantile in QUANTILES
        ]
    return [
        grow_quantile(matrix, logs[:, target], quantile, settings, n_categories, seed)
        for target in range(len(TARGETS))
        for quantile in QUANTILES
    ]


def measured_margins(
    model: TimeModel, rows: Mapping[str, TimeRows], design: Floats
) -> NDArray[np.float64]:
    """Return margins measured on steps of items the model was not fitted on.

    The margin is the quantile, at the coverage asked for, of how far actual times lie outside of
    the predicted interval (negative inside), for every operation with `LEAST_MARGIN_ROWS` steps
    and over all steps for the others.

    Returns
    -------
    float64 array, shape [n_operations, 2]
    """
    outside = {
        name: _outside(model, name, rows[name], design) for name in model.operations if name in rows
    }
    every = np.concatenate(list(outside.values()))
    margins = np.tile(_margin(every), (len(model.operations), 1))
    for number, name in enumerate(model.operations):
        if name in outside and len(outside[name]) >= LEAST_MARGIN_ROWS:
            margins[number] = _margin(outside[name])
    return margins


def _outside(
    model: TimeModel, operation: str, part: TimeRows, design: Floats
) -> NDArray[np.float64]:
    """Return how far the log times lie outside of the interval, shape [n, 2]."""
    number = model.number[operation]
    rows = time_design(
        design[part.items], part.work_center, part.day, model.places[number], model.reference_day
    )
    outputs = number * N_OUTPUTS + np.arange(N_OUTPUTS)
    logs = np.sort(model.trees.predict(rows, outputs).reshape(-1, 2, len(QUANTILES)), axis=2)
    return np.asarray(np.maximum(logs[:, :, 0] - part.logs, part.logs - logs[:, :, 2]))


def _margin(outside: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(outside)
    if n == 0:
        return np.zeros(len(TARGETS))
    level = min(COVERAGE * (n + 1) / n, 1.0)
    return np.asarray(np.quantile(outside, level, axis=0, method="higher"))
