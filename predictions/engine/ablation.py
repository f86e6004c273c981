"""An ablation campaign: features by latent features by learner, all on the same folds.

What a part of the model is worth shows only beside the same model without it, on the same shots.
Every cell is judged like a training is (nested, calibrated, with intervals) and compared with one
reference cell by paired bootstrap. Looking at many cells finds a good one by chance: the best of
them is not a better estimate than its interval, and the choice belongs on new data.
"""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

from predictions.engine import evaluation
from predictions.engine.basis import Basis, prepare
from predictions.engine.bootstrap import Interval, Scored, paired_difference
from predictions.engine.crossfit import OneClassPart, cross_fit
from predictions.engine.features import FEATURE_SETS
from predictions.engine.learners.families import FAMILIES
from predictions.engine.parameters import ParameterProblem, TrainingParams
from predictions.engine.problems import Problem
from predictions.engine.progress import Meter, OnProgress
from predictions.engine.report import BaselineResult, Figures
from predictions.engine.tables import ShotTable
from predictions.engine.trials import Trial, main_trial

#: More than this is not a campaign but a search; ours.
MAX_CELLS = 100
#: What cells are ranked and compared by.
METRIC = "pr_auc"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Axes:
    """What is varied; the product of all is run.

    Attributes
    ----------
    features : sequence of str
        Keys of `features.FEATURE_SETS`.
    n_latent : sequence of int
        0 and sizes of the autoencoder.
    learners : sequence of str
        Keys of `learners.families.FAMILIES`.
    """

    features: Sequence[str] = tuple(FEATURE_SETS)
    n_latent: Sequence[int] = (0, 4, 8, 12, 16)
    learners: Sequence[str] = tuple(FAMILIES)

    def cells(self, base: TrainingParams) -> tuple[TrainingParams, ...]:
        """Return the parameters of every cell, the base's own choices first.

        Raises
        ------
        ParameterProblem
            If a value is not allowed, or there are too many cells or none.
        """
        product = itertools.product(self.features, self.n_latent, self.learners)
        given = dict.fromkeys(product)
        if not 1 <= len(given) <= MAX_CELLS:
            params = {"value": len(given), "low": "1", "high": str(MAX_CELLS)}
            raise ParameterProblem([Problem("cells", "parameter_out_of_range", None, params)])
        made = [
            replace(base, features=features, n_latent=n_latent, learner=learner)
            for features, n_latent, learner in given
        ]
        return tuple(sorted(made, key=lambda cell: cell != base))


@dataclass(frozen=True)
class Cell:
    """One combination.

    Attributes
    ----------
    features, learner : str
    n_latent : int
    metrics : dict of str to Interval
        Empty when it could not be fitted.
    gain : Interval or None
        PR AUC above the reference, by paired bootstrap; None for the reference itself.
    seconds : float
        Wall time of all fits.
    problem : Problem or None
        Why it could not be fitted.
    """

    features: str
    n_latent: int
    learner: str
    metrics: Figures
    gain: Interval | None
    seconds: float
    problem: Problem | None = None

    @property
    def stands_out(self) -> bool:
        """Whether the gain's interval lies above or below 0."""
        if self.gain is None or self.gain.low is None or self.gain.high is None:
            return False
        return self.gain.low > 0 or self.gain.high < 0

    def to_dict(self) -> dict[str, Any]:
        """Return the cell ready for JSON."""
        problem = None if self.problem is None else self.problem.to_dict()
        return {**asdict(self), "problem": problem, "stands_out": self.stands_out}


@dataclass(frozen=True)
class Campaign:
    """The comparison table.

    Attributes
    ----------
    protocol : dict
        Name, label and description.
    params : dict
        Of the reference; cells differ in features, n_latent and learner alone.
    seed, n_distinct, n_tested : int
    cells : tuple of Cell
        Best PR AUC first; those that could not be fitted last.
    reference : Cell
        The first one run.
    baselines : tuple of BaselineResult
        On the same folds.
    findings : tuple of Problem
        What the checks of the data say.
    """

    protocol: dict[str, str]
    params: dict[str, Any]
    seed: int
    n_distinct: int
    n_tested: int
    cells: tuple[Cell, ...]
    reference: Cell
    baselines: tuple[BaselineResult, ...]
    findings: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the table ready for JSON, without NaN."""
        return {
            "schema_version": SCHEMA_VERSION,
            "metric": METRIC,
            "protocol": self.protocol,
            "params": self.params,
            "seed": self.seed,
            "n_distinct": self.n_distinct,
            "n_tested": self.n_tested,
            "cells": [cell.to_dict() for cell in self.cells],
            "reference": self.reference.to_dict(),
            "baselines": [asdict(baseline) for baseline in self.baselines],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def campaign(
    table: ShotTable,
    params: TrainingParams | None = None,
    axes: Axes | None = None,
    *,
    seed: int,
    held_out: ShotTable | None = None,
    on_progress: OnProgress | None = None,
) -> Campaign:
    """Run all cells on the same folds and compare them.

    Parameters
    ----------
    table, params, seed, held_out, on_progress
        As in `training.train`; the protocol is that of the parameters. The cell that equals them is
        the reference, the first cell where none does.
    axes : Axes, optional
        All features, latent sizes and learners otherwise: sixty cells, hours on large data.

    Raises
    ------
    NotTrainable
        As in `training.train`.
    ParameterProblem
        If an axis names what is not allowed, or there are too many cells.
    """
    base = params or TrainingParams()
    cells = (axes or Axes()).cells(base)
    basis = prepare(table, base, seed, held_out)
    trial = main_trial(basis)
    meter = Meter(on_progress, trial.work * len(cells))
    runs = [
        _run(basis, trial, cell, meter, f"{number} of {len(cells)}")
        for number, cell in enumerate(cells, start=1)
    ]
    reference = runs[0]
    judged = [_judged(run, None if run is reference else reference, basis) for run in runs]
    meter.finish("Done")
    return Campaign(
        protocol={
            "name": trial.protocol.name,
            "label": trial.protocol.label,
            "description": trial.protocol.description,
        },
        params=cells[0].to_dict(),
        seed=seed,
        n_distinct=len(basis.shots),
        n_tested=0 if reference.scored is None else reference.scored.n_rows,
        cells=tuple(sorted(judged, key=_rank)),
        reference=judged[0],
        baselines=reference.baselines,
        findings=basis.findings,
    )


@dataclass(frozen=True, eq=False)
class _Run:
    """What came out of one cell."""

    params: TrainingParams
    metrics: Figures
    baselines: tuple[BaselineResult, ...]
    scored: Scored | None
    seconds: float


def _run(basis: Basis, trial: Trial, params: TrainingParams, meter: Meter, number: str) -> _Run:
    meter.enter("cell", f"Cell {number}: {params.learner}, {params.features}, {params.n_latent}")
    started, done = perf_counter(), meter.done
    try:
        fits = cross_fit(trial.shots, trial.plans, params, basis.seed, meter)
    except OneClassPart:
        meter.advance(trial.work - (meter.done - done), "Left out: a part held one class only")
        return _Run(params, {}, (), None, perf_counter() - started)
    seconds = perf_counter() - started
    result = evaluation.judge(
        trial.shots,
        fits,
        trial.protocol,
        seed=basis.seed,
        n_draws=params.n_bootstraps,
        on_draw=lambda: meter.advance(0, f"Cell {number}: intervals"),
    )
    scored = evaluation.out_of_fold(trial.shots, fits)[1]
    return _Run(params, result.metrics, result.baselines, scored, seconds)


def _judged(run: _Run, reference: _Run | None, basis: Basis) -> Cell:
    gain = problem = None
    if run.scored is None:
        problem = Problem(run.params.learner, "comparison_not_possible")
    elif reference is not None and reference.scored is not None:
        gain = paired_difference(
            run.scored,
            reference.scored,
            METRIC,
            seed=basis.seed,
            n_draws=run.params.n_bootstraps,
        )
    return Cell(
        run.params.features,
        run.params.n_latent,
        run.params.learner,
        run.metrics,
        gain,
        run.seconds,
        problem,
    )


def _rank(cell: Cell) -> float:
    figure = cell.metrics.get(METRIC)
    return 1.0 if figure is None or figure.value is None else -figure.value
