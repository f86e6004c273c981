"""The nearest feasible change that would have made a shot good.

A beam search over the settings a person can change, inside the process limits: each step tries nine
values of every setting, keeps the most promising, and stops as soon as a change crosses the
threshold. The best change is then walked back towards the shot as far as the model lets it, so that
no setting moves more than it must.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Predict = Callable[[Rows], NDArray[np.float32]]

N_VALUES = 9
BEAM = 8
N_HALVINGS = 6


@dataclass(frozen=True)
class Adjustable:
    """A setting that may be changed.

    Attributes
    ----------
    column : int
        Its column in a row.
    low, high : float
        Process limits, in the setting's own unit.
    scale : float
        What counts as one step of change (a robust standard deviation), more than zero.
    """

    column: int
    low: float
    high: float
    scale: float


@dataclass(frozen=True)
class Change:
    """One setting's move, in its own unit."""

    column: int
    before: float
    after: float


@dataclass(frozen=True)
class Counterfactual:
    """What would have had to be different.

    Attributes
    ----------
    changes : tuple of Change
        Largest first, measured in steps; empty when the shot is predicted good as it is.
    probability_before, probability_after : float
        Defect probability of the shot and of the changed shot.
    cost : float
        Sum of the moves, each in steps of its setting.
    """

    changes: tuple[Change, ...]
    probability_before: float
    probability_after: float
    cost: float


@dataclass(frozen=True)
class _Candidate:
    row: Rows
    cost: float
    probability: float
    columns: frozenset[int]


def find(
    row: Rows,
    predict: Predict,
    threshold: float,
    settings: Sequence[Adjustable],
    *,
    max_changes: int = 3,
) -> Counterfactual | None:
    """Return the cheapest change found that brings the probability below the threshold.

    Parameters
    ----------
    row : float32 [n_features]
        The shot.
    predict : callable
        Rows [n, n_features] to defect probabilities [n].
    threshold : float
        At or above it a shot counts as defective.
    settings : sequence of Adjustable
        What may be changed, and how far.
    max_changes : int
        Most settings changed together.

    Returns
    -------
    Counterfactual or None
        None when no allowed change of up to `max_changes` settings is enough. The search is a
        heuristic: it may miss a cheaper change, it never returns one that does not hold.
    """
    before = float(predict(row[None])[0])
    if before < threshold:
        return Counterfactual((), before, before, 0.0)
    beam = [_Candidate(row, 0.0, before, frozenset())]
    for _ in range(max_changes):
        tried = _neighbours(beam, predict, settings)
        enough = [candidate for candidate in tried if candidate.probability < threshold]
        if enough:
            best = min(enough, key=lambda candidate: candidate.cost)
            return _result(
                row, _walk_back(row, best, predict, threshold, settings), settings, before
            )
        beam = sorted(tried, key=lambda candidate: candidate.probability)[:BEAM]
        if not beam:
            return None
    return None


def _neighbours(
    beam: Sequence[_Candidate], predict: Predict, settings: Sequence[Adjustable]
) -> list[_Candidate]:
    """Change one more setting of each candidate in every way, and score all at once."""
    rows, origins = [], []
    for candidate in beam:
        for setting in settings:
            if setting.column in candidate.columns:
                continue
            for value in np.linspace(setting.low, setting.high, N_VALUES, dtype=np.float32):
                changed = candidate.row.copy()
                changed[setting.column] = value
                rows.append(changed)
                move = abs(float(value) - float(candidate.row[setting.column])) / setting.scale
                origins.append((candidate, setting.column, move))
    if not rows:
        return []
    stacked = np.stack(rows)
    return [
        _Candidate(changed, origin.cost + move, float(probability), origin.columns | {column})
        for changed, (origin, column, move), probability in zip(
            stacked, origins, predict(stacked), strict=True
        )
        if np.isfinite(move)
    ]


def _walk_back(
    row: Rows,
    found: _Candidate,
    predict: Predict,
    threshold: float,
    settings: Sequence[Adjustable],
) -> _Candidate:
    """Move each changed setting back towards the shot while the change still holds."""
    by_column = {setting.column: setting for setting in settings}
    current = found
    for column in sorted(found.columns, key=lambda c: by_column[c].scale):
        far, near = float(current.row[column]), float(row[column])
        for _ in range(N_HALVINGS):
            trial = current.row.copy()
            trial[column] = (far + near) / 2
            probability = float(predict(trial[None])[0])
            if probability < threshold:
                far = float(trial[column])
                current = replace(current, row=trial, probability=probability)
            else:
                near = float(trial[column])
    return current


def _result(
    row: Rows, found: _Candidate, settings: Sequence[Adjustable], before: float
) -> Counterfactual:
    steps = {s.column: abs(float(found.row[s.column] - row[s.column])) / s.scale for s in settings}
    moved = sorted((c for c in found.columns if steps[c] > 0), key=lambda c: -steps[c])
    changes = tuple(Change(c, float(row[c]), float(found.row[c])) for c in moved)
    return Counterfactual(changes, before, found.probability, sum(steps[c] for c in moved))
