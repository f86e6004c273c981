"""Judge a model: figures that cannot fool their reader.

Beside every figure stand its interval, the humble baselines, the protocol that earned it, and what
the checks found in the data.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol as Shape

import numpy as np
from numpy.typing import NDArray

from predictions.engine.bootstrap import Scored, intervals, measure
from predictions.engine.calibration import CurvePoint, calibration_curve
from predictions.engine.crossfit import FoldFit, Shots
from predictions.engine.humble import BASELINES, Baseline
from predictions.engine.problems import Problem
from predictions.engine.report import (
    BaselineResult,
    Confusion,
    Figures,
    FoldResult,
    ProtocolResult,
    SliceResult,
)
from predictions.engine.rows import first_of_copies, group_numbers, row_keys
from predictions.engine.splits import Protocol
from predictions.engine.tables import ShotTable

FOLD_METRICS = ("f1", "roc_auc", "pr_auc")
#: Slices smaller than this are not judged; ours.
MIN_SLICE_ROWS = 50
#: Draws for a slice's interval; ours, there can be many slices.
MAX_SLICE_DRAWS = 200
#: Difference of F1 from which the inflation by copies is named; ours.
INFLATION = 0.02


class Predictor(Shape):
    """Anything with a threshold that scores a matrix, such as a `serving.ServingModel`."""

    @property
    def threshold(self) -> float:
        """Probability from which a shot is called a defect."""

    def predict(
        self, matrix: NDArray[np.float32], /
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return probabilities [n] and latent features [n, n_latent]."""


def score(model: Predictor, table: ShotTable) -> Scored:
    """Score a model on a labelled table, such as a frozen evaluation set.

    Parameters
    ----------
    model : Predictor
        Not trained on any of these shots.
    table : ShotTable
        Labelled; copies are counted once.

    Raises
    ------
    ValueError
        If the table is not labelled.
    """
    labels = table.labels()
    if labels is None:
        raise ValueError("The evaluation set has no complete label.")
    matrix = table.matrix()
    kept = first_of_copies(matrix, labels)
    probability = model.predict(matrix[kept])[0].astype(np.float64)
    groups = group_numbers(matrix[kept])
    return Scored(labels[kept], probability, probability >= model.threshold, groups)


def out_of_fold(shots: Shots, fits: Sequence[FoldFit]) -> tuple[NDArray[np.intp], Scored]:
    """Return the tested rows in ascending order and what was said of them."""
    rows = np.concatenate([fit.fold.test for fit in fits])
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    probability = np.concatenate([fit.probability for fit in fits])[order]
    called = np.concatenate([fit.called for fit in fits])[order]
    return rows, Scored(shots.labels[rows], probability, called, shots.groups[rows])


def judge(
    shots: Shots,
    fits: Sequence[FoldFit],
    protocol: Protocol,
    *,
    seed: int,
    n_draws: int,
    on_draw: Callable[[], None] = lambda: None,
) -> ProtocolResult:
    """Return figures with intervals for a model and the baselines on the same folds.

    Parameters
    ----------
    shots : Shots
    fits : sequence of FoldFit
        Outer folds of these shots.
    protocol : Protocol
        That made the folds.
    seed, n_draws, on_draw
        As in `bootstrap.intervals`.
    """

    def figures(scored: Scored) -> Figures:
        return intervals(scored, seed=seed, n_draws=n_draws, on_draw=on_draw)

    _, scored = out_of_fold(shots, fits)
    return ProtocolResult(
        name=protocol.name,
        label=protocol.label,
        description=protocol.description,
        leaks=protocol.leaks,
        n_folds=len(fits),
        n_tested=scored.n_rows,
        metrics=figures(scored),
        baselines=tuple(
            BaselineResult(
                baseline.name,
                baseline.label,
                baseline.description,
                figures(_guessed(baseline, shots, fits)),
            )
            for baseline in BASELINES
        ),
    )


def _guessed(baseline: Baseline, shots: Shots, fits: Sequence[FoldFit]) -> Scored:
    """Return what a baseline says of the test rows of all folds."""
    keys = row_keys(shots.matrix)
    guesses = [baseline.guess(shots.labels, keys, fit.fold) for fit in fits]
    rows = np.concatenate([fit.fold.test for fit in fits])
    probability = np.concatenate([guess.probability for guess in guesses])
    called = np.concatenate([guess.probability >= guess.threshold for guess in guesses])
    return Scored(shots.labels[rows], probability, called, shots.groups[rows])


def fold_results(shots: Shots, fits: Sequence[FoldFit]) -> tuple[FoldResult, ...]:
    """Return sizes, thresholds and figures fold by fold."""
    results = []
    for number, fit in enumerate(fits, start=1):
        test = fit.fold.test
        scored = Scored(shots.labels[test], fit.probability, fit.called, shots.groups[test])
        results.append(
            FoldResult(
                number, len(fit.fold.train), len(test), fit.threshold, measure(scored, FOLD_METRICS)
            )
        )
    return tuple(results)


def confusion(scored: Scored) -> Confusion:
    """Count calls against outcomes."""
    labels, called = scored.labels, scored.called
    return Confusion(
        true_defect=int((labels & called).sum()),
        false_defect=int((~labels & called).sum()),
        true_ok=int((~labels & ~called).sum()),
        missed_defect=int((labels & ~called).sum()),
    )


def slices(
    scored: Scored, columns: Mapping[str, Sequence[str]], *, seed: int, n_draws: int
) -> tuple[SliceResult, ...]:
    """Return figures with intervals by product, mold or shift.

    Parameters
    ----------
    scored : Scored
        Out-of-fold calls.
    columns : mapping of str to sequence of str, each of length n
        What to slice by. Slices below fifty rows or of one class are left out.
    seed, n_draws : int
        As in `bootstrap.intervals`; at most 200 draws a slice.
    """
    n_draws = min(n_draws, MAX_SLICE_DRAWS)
    results = []
    for column, values in columns.items():
        array = np.array(values, dtype=object)
        for value in sorted(set(values)):
            part = scored.at(array == value)
            share = float(part.labels.mean())
            if part.n_rows < MIN_SLICE_ROWS or share in {0.0, 1.0}:
                continue
            figures = intervals(part, seed=seed, n_draws=n_draws, names=FOLD_METRICS)
            values_only = {name: figure.value for name, figure in figures.items()}
            results.append(SliceResult(column, value, part.n_rows, share, values_only, figures))
    return tuple(results)


def worst(parts: Sequence[SliceResult]) -> SliceResult | None:
    """Return the slice with the lowest ROC AUC, or None when there is nothing to choose from."""
    judged = [part for part in parts if part.metrics["roc_auc"] is not None]
    if len(judged) < 2:
        return None
    return min(judged, key=lambda part: part.metrics["roc_auc"] or 0.0)


def slice_findings(result: ProtocolResult, weakest: SliceResult | None) -> tuple[Problem, ...]:
    """Return a warning when the weakest slice lies below the whole beyond its interval."""
    whole = result.metrics["roc_auc"].value
    if weakest is None or whole is None:
        return ()
    auc = weakest.intervals["roc_auc"]
    if auc.value is None or auc.low is None or auc.high is None or auc.high >= whole:
        return ()
    params: dict[str, object] = {
        "value": weakest.value,
        "auc": auc.value,
        "low": auc.low,
        "high": auc.high,
        "n_rows": weakest.n_rows,
        "whole": whole,
    }
    return (Problem(weakest.column, "weak_part", None, params),)


def curve(scored: Scored) -> tuple[CurvePoint, ...]:
    """Return the reliability curve of out-of-fold probabilities."""
    return calibration_curve(scored.labels, scored.probability)


def figure_findings(
    result: ProtocolResult, comparisons: Sequence[ProtocolResult]
) -> tuple[Problem, ...]:
    """Return what the figures themselves warn of."""
    findings = []
    auc = result.metrics["roc_auc"]
    if auc.low is not None and auc.high is not None and auc.low <= 0.5:
        params: dict[str, object] = {"low": auc.low, "high": auc.high}
        findings.append(Problem("roc_auc", "no_signal", None, params))
    honest = result.metrics["f1"].value or 0.0
    for comparison in comparisons:
        shown = comparison.metrics["f1"].value or 0.0
        if comparison.leaks and shown - honest >= INFLATION:
            params = {"value": shown, "honest": honest, "lookup": _lookup_f1(comparison)}
            findings.append(Problem("f1", "leak_inflates", None, params))
    findings += _worse(result, comparisons)
    for judged in (result, *comparisons):
        if not judged.leaks:
            findings += _beaten(judged)
    return tuple(findings)


def _worse(result: ProtocolResult, comparisons: Sequence[ProtocolResult]) -> list[Problem]:
    """Return the honest protocols whose interval lies below the figure that counts."""
    shown = result.metrics["roc_auc"].value
    findings = []
    for comparison in comparisons:
        auc = comparison.metrics["roc_auc"]
        if comparison.leaks or shown is None or auc.low is None or auc.high is None:
            continue
        if auc.high < shown:
            params = {"value": auc.value, "low": auc.low, "high": auc.high, "shown": shown}
            findings.append(Problem(comparison.name, "worse_in_use", None, params))
    return findings


def _lookup_f1(result: ProtocolResult) -> float:
    found = (item.metrics["f1"].value for item in result.baselines if item.name == "lookup")
    return next(found, None) or 0.0


def _beaten(judged: ProtocolResult) -> list[Problem]:
    """Return the baselines that are at least as good as the model."""
    model = judged.metrics["pr_auc"].value or 0.0
    return [
        Problem(
            baseline.name,
            "baseline_as_good",
            None,
            {"value": value, "model": model, "protocol": judged.name},
        )
        for baseline in judged.baselines
        if (value := baseline.metrics["pr_auc"].value) is not None and value >= model
    ]
