"""An ablation campaign: features by latent features by learner, all on the same folds.

What a part of the model is worth shows only beside the same model without it, on the same shots.
Every cell is judged like a training is (nested, calibrated, with intervals) and compared with one
reference cell by paired bootstrap. Looking at many cells finds a good one by chance: the best of
them is not a better estimate than its interval, and the choice belongs on new data.

Whoever runs a campaign is handed what is done after every cell and may hand it in again later: the
campaign goes on behind the last cell.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np

from portal.lib.coded import gettext_noop
from predictions.engine import evaluation
from predictions.engine.axes import Axes
from predictions.engine.basis import Basis, prepare
from predictions.engine.bootstrap import Interval, Scored, paired_difference
from predictions.engine.crossfit import OneClassPart, cross_fit
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import Problem
from predictions.engine.progress import Meter, OnProgress, Said
from predictions.engine.report import BaselineResult, Figures
from predictions.engine.tables import ShotTable
from predictions.engine.trials import Trial, main_trial

#: What cells are ranked and compared by.
METRIC = "pr_auc"
SCHEMA_VERSION = 2
_SCORED = ("labels", "probability", "called", "groups")


class UnreadableCheckpoint(ValueError):
    """The bytes are not a checkpoint of this format."""


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

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Cell":
        """Rebuild a cell from `to_dict`."""
        gain, problem = content["gain"], content["problem"]
        return cls(
            features=content["features"],
            n_latent=content["n_latent"],
            learner=content["learner"],
            metrics={name: Interval(**figure) for name, figure in content["metrics"].items()},
            gain=None if gain is None else Interval(**gain),
            seconds=content["seconds"],
            problem=None
            if problem is None
            else Problem(problem["field"], problem["code"], problem["row"], problem["params"]),
        )


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What is done of a campaign.

    Attributes
    ----------
    cells : tuple of Cell
        In the order they were run, the reference first.
    baselines : tuple of BaselineResult
        On the same folds.
    scored : Scored or None
        What the reference said of the tested shots, which later cells are compared with; None
        when it could not be fitted.
    """

    cells: tuple[Cell, ...]
    baselines: tuple[BaselineResult, ...]
    scored: Scored | None

    def to_bytes(self) -> bytes:
        """Return the checkpoint as a compressed ``.npz`` file of plain arrays."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "cells": [cell.to_dict() for cell in self.cells],
            "baselines": [asdict(baseline) for baseline in self.baselines],
        }
        text = np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)
        kept = {} if self.scored is None else {name: getattr(self.scored, name) for name in _SCORED}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, content=text, **kept)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Checkpoint":
        """Read a checkpoint written by `to_bytes`; pickled content is refused.

        Raises
        ------
        UnreadableCheckpoint
            If the file is damaged or of another format.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = dict(file)
            content = json.loads(arrays["content"].tobytes())
            if content["schema_version"] != SCHEMA_VERSION:
                raise UnreadableCheckpoint(f"format {content['schema_version']}")
            return cls(
                cells=tuple(Cell.from_dict(cell) for cell in content["cells"]),
                baselines=tuple(_baseline(item) for item in content["baselines"]),
                scored=Scored(*(arrays[name] for name in _SCORED)) if "labels" in arrays else None,
            )
        except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as exc:
            raise UnreadableCheckpoint(f"not a checkpoint: {exc}") from exc


def _baseline(content: Mapping[str, Any]) -> BaselineResult:
    metrics = {name: Interval(**figure) for name, figure in content["metrics"].items()}
    return BaselineResult(**{**content, "metrics": metrics})


Verdict = Literal["present", "better", "undecided", "baseline", "none"]


@dataclass(frozen=True)
class Campaign:
    """The comparison table, whole or as far as it has come.

    Attributes
    ----------
    protocol : dict
        Name, label and description.
    params : dict
        Of the reference; cells differ in features, n_latent and learner alone.
    seed, n_distinct, n_tested : int
    n_planned : int
        Cells in all, those still to come included.
    cells : tuple of Cell
        Best PR AUC first; those that could not be fitted last.
    reference : Cell
        The parameters given, which all others are compared with.
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
    n_planned: int
    cells: tuple[Cell, ...]
    reference: Cell
    baselines: tuple[BaselineResult, ...]
    findings: tuple[Problem, ...]

    @property
    def best(self) -> Cell | None:
        """The cell with the highest PR AUC; None when none could be fitted."""
        first = self.cells[0]
        return first if first.metrics else None

    @property
    def verdict(self) -> Verdict:
        """What the best cell means for the reference.

        ``none``: nothing could be fitted; ``baseline``: a humble baseline does as well;
        ``present``: the reference is the best; ``better``: the best one's interval lies above it;
        ``undecided``: the difference may be chance.
        """
        if self.best is None:
            return "none"
        highest = max((_value(one.metrics) for one in self.baselines), default=-1.0)
        if highest >= _value(self.best.metrics):
            return "baseline"
        if self.best is self.reference:
            return "present"
        return "better" if self.best.stands_out else "undecided"

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
            "n_planned": self.n_planned,
            "cells": [
                {
                    **cell.to_dict(),
                    "is_reference": cell is self.reference,
                    "is_best": cell is self.best,
                }
                for cell in self.cells
            ],
            "verdict": self.verdict,
            "baselines": [asdict(baseline) for baseline in self.baselines],
            "findings": [finding.to_dict() for finding in self.findings],
        }


OnCell = Callable[[Checkpoint, Campaign], None]


def campaign(
    table: ShotTable,
    params: TrainingParams | None = None,
    axes: Axes | None = None,
    *,
    seed: int,
    held_out: ShotTable | None = None,
    done: Checkpoint | None = None,
    on_progress: OnProgress | None = None,
    on_cell: OnCell | None = None,
) -> Campaign:
    """Run all cells on the same folds and compare them.

    Parameters
    ----------
    table, params, seed, held_out, on_progress
        As in `training.train`; the protocol is that of the parameters. They are the reference, and
        run whether the axes hold them or not.
    axes : Axes, optional
        All features, latent sizes and learners otherwise: 75 cells, hours on large data.
    done : Checkpoint, optional
        Of the same campaign; its cells are not run again.
    on_cell : callable, optional
        Told what is done after each cell that was run.

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
    so_far = done or Checkpoint((), (), None)
    meter.advance(trial.work * len(so_far.cells), "")
    for number, cell in enumerate(cells[len(so_far.cells) :], start=len(so_far.cells) + 1):
        place = Said(gettext_noop("{number} of {count}"), number=number, count=len(cells))
        so_far = _with(so_far, _run(basis, trial, cell, meter, place), basis)
        if on_cell is not None:
            on_cell(so_far, _table(so_far, basis, trial, len(cells)))
    meter.finish(Said(gettext_noop("Done")))
    return _table(so_far, basis, trial, len(cells))


def _table(done: Checkpoint, basis: Basis, trial: Trial, n_planned: int) -> Campaign:
    return Campaign(
        protocol={
            "name": trial.protocol.name,
            "label": trial.protocol.label,
            "description": trial.protocol.description,
        },
        params=basis.params.to_dict(),
        seed=basis.seed,
        n_distinct=len(basis.shots),
        n_tested=0 if done.scored is None else done.scored.n_rows,
        n_planned=n_planned,
        cells=tuple(sorted(done.cells, key=lambda cell: -_value(cell.metrics))),
        reference=done.cells[0],
        baselines=done.baselines,
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
    meter.enter(
        "cell",
        Said(
            gettext_noop("Cell {number}: {learner}, {features}, {n_latent}"),
            number=number,
            learner=params.learner,
            features=params.features,
            n_latent=params.n_latent,
        ),
    )
    started, done = perf_counter(), meter.done
    try:
        fits = cross_fit(trial.shots, trial.plans, params, basis.seed, meter)
    except OneClassPart:
        left_out = Said(gettext_noop("Left out: a part held one class only"))
        meter.advance(trial.work - (meter.done - done), left_out)
        return _Run(params, {}, (), None, perf_counter() - started)
    seconds = perf_counter() - started
    result = evaluation.judge(
        trial.shots,
        fits,
        trial.protocol,
        seed=basis.seed,
        n_draws=params.n_bootstraps,
        on_draw=lambda: meter.advance(
            0, Said(gettext_noop("Cell {number}: intervals"), number=number)
        ),
    )
    scored = evaluation.out_of_fold(trial.shots, fits)[1]
    return _Run(params, result.metrics, result.baselines, scored, seconds)


def _with(done: Checkpoint, run: _Run, basis: Basis) -> Checkpoint:
    """Return what is done with one cell more; the first one run is the reference."""
    is_reference = not done.cells
    gain = problem = None
    if run.scored is None:
        problem = Problem(run.params.learner, "comparison_not_possible")
    elif done.scored is not None:
        gain = paired_difference(
            run.scored,
            done.scored,
            METRIC,
            seed=basis.seed,
            n_draws=run.params.n_bootstraps,
        )
    cell = Cell(
        run.params.features,
        run.params.n_latent,
        run.params.learner,
        run.metrics,
        gain,
        run.seconds,
        problem,
    )
    return Checkpoint(
        cells=(*done.cells, cell),
        baselines=done.baselines or run.baselines,
        scored=run.scored if is_reference else done.scored,
    )


def _value(metrics: Figures) -> float:
    """Return what cells are ranked by; less than any for one that could not be fitted."""
    figure = metrics.get(METRIC)
    return -1.0 if figure is None or figure.value is None else figure.value
