"""Train a quality model: check, judge, fit, and tell how good it is.

The model that is returned was fitted on all distinct shots. Its figures come from models fitted the
same way on parts of them; its calibration, threshold, confidence rule and drift baseline come from
those models' scores of shots they had not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from predictions.engine import evaluation
from predictions.engine.baseline import DriftBaseline, drift_baseline
from predictions.engine.calibration import Calibration, fit_platt
from predictions.engine.checks import DataChecks, check
from predictions.engine.confidence import ConfidenceRule, learn_rule
from predictions.engine.costs import operating_points
from predictions.engine.crossfit import (
    Fitted,
    FoldFit,
    FoldPlan,
    OneClassPart,
    Shots,
    cross_fit,
    fit,
    plan,
)
from predictions.engine.features import FEATURE_NAMES, N_FEATURES
from predictions.engine.latent import fit_projection
from predictions.engine.metrics import expected_calibration_error
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError, Problem
from predictions.engine.progress import Meter, OnProgress
from predictions.engine.quality_model import QualityModel
from predictions.engine.report import EvaluationReport, ProtocolResult
from predictions.engine.rows import first_of_copies, group_numbers, row_keys
from predictions.engine.signature import Signature, learned_signature
from predictions.engine.splits import PROTOCOLS, Protocol, TooFewParts
from predictions.engine.tables import ShotTable
from predictions.engine.threshold import best_f1_threshold

#: Below these no figure means anything; ours.
MIN_DISTINCT = 100
MIN_PER_CLASS = 20
SLICE_METADATA = ("Mold", "Shift")


class NotTrainable(EngineError):
    """The data set does not allow training."""

    code: ClassVar[str] = "not_trainable"


@dataclass(frozen=True, eq=False)
class TrainedModel(QualityModel):
    """A quality model with everything a version of it needs.

    Attributes
    ----------
    params : TrainingParams
    seed : int
    signature : Signature
        Features with the ranges learned from the training shots.
    threshold : float
        A shot with at least this calibrated probability is called a defect.
    confidence : ConfidenceRule
    report : EvaluationReport
    baseline : DriftBaseline
    """

    params: TrainingParams
    seed: int
    signature: Signature
    threshold: float
    confidence: ConfidenceRule
    report: EvaluationReport
    baseline: DriftBaseline


@dataclass(frozen=True, eq=False)
class _Trial:
    """A protocol with the shots it is run on and its folds."""

    protocol: Protocol
    shots: Shots
    plans: tuple[FoldPlan, ...]

    @property
    def work(self) -> int:
        return sum(fold_plan.work for fold_plan in self.plans)


def train(
    table: ShotTable,
    params: TrainingParams | None = None,
    *,
    seed: int,
    held_out: ShotTable | None = None,
    on_progress: OnProgress | None = None,
) -> TrainedModel:
    """Train and judge a quality model.

    Parameters
    ----------
    table : ShotTable
        Labelled shots in production order.
    params : TrainingParams, optional
        Defaults otherwise.
    seed : int
        Same table, parameters and seed give the same model and the same report.
    held_out : ShotTable, optional
        An evaluation set. Rows with the same values, whatever their counter, are left out.
    on_progress : callable, optional
        ``on_progress(fraction, phase, message, metrics)``, called several times a second; an
        exception raised in it ends the training and comes out of here.

    Returns
    -------
    TrainedModel

    Raises
    ------
    NotTrainable
        Without complete labels, with too few distinct shots of either class, without a feature
        that varies, or when a part of the split holds one class only.
    """
    basis = _basis(table, params or TrainingParams(), seed, held_out)
    main, others, unplanned = _trials(basis)
    n_shots = len(basis.shots)
    meter = Meter(on_progress, main.work + sum(trial.work for trial in others) + n_shots)
    meter.enter("evaluate", f"Judging on {n_shots:,} distinct shots")
    fits = _main_fits(basis, main, meter)
    meter.enter("fit", f"Fitting on all {n_shots:,} distinct shots")
    fitted = fit(basis.shots, basis.params, seed, meter, "Final model")
    meter.enter("compare", "Judging under other protocols")
    comparisons, failed = _compared(basis, others, meter)
    meter.enter("report", "Writing the report")
    result = _judged(basis, main, fits, meter)
    trained = _assembled(basis, fits, fitted, result, comparisons, (*unplanned, *failed))
    meter.finish("Done")
    return trained


@dataclass(frozen=True, eq=False)
class _Basis:
    """What a training rests on.

    Attributes
    ----------
    params, seed
        As given.
    table : ShotTable
        The rows used.
    every, shots : Shots
        All rows, and distinct ones.
    kept : int array
        Positions of the distinct ones.
    checks : DataChecks
    findings : tuple of Problem
        What to know so far.
    """

    params: TrainingParams
    seed: int
    table: ShotTable
    every: Shots
    shots: Shots
    kept: NDArray[np.intp]
    checks: DataChecks
    findings: tuple[Problem, ...]

    def slice_columns(self, rows: NDArray[np.intp]) -> dict[str, list[str]]:
        """Return product, and mold and shift where known, of distinct shots."""
        products = [f"{value:g}" for value in self.shots.matrix[rows, 0]]
        columns = {FEATURE_NAMES[0]: products}
        for name in SLICE_METADATA:
            values = self.table.metadata(name)
            if values is not None:
                columns[name] = [values[row] or "" for row in self.kept[rows]]
        return columns


def _basis(
    table: ShotTable, params: TrainingParams, seed: int, held_out: ShotTable | None
) -> _Basis:
    apart, left_out = _without(table, held_out)
    used, capped = _latest(apart, params.max_rows)
    every = _shots(used)
    checks = check(every.matrix, every.labels, used.metadata("Made_At"))
    kept = np.flatnonzero(first_of_copies(every.matrix, every.labels))
    shots = every.at(kept)
    _refuse_untrainable(shots, checks)
    findings = (*left_out, *capped, *checks.findings)
    return _Basis(params, seed, used, every, shots, kept, checks, findings)


def _without(table: ShotTable, held_out: ShotTable | None) -> tuple[ShotTable, tuple[Problem, ...]]:
    if held_out is None:
        return table, ()
    known = np.isin(row_keys(table.matrix()), row_keys(held_out.matrix()))
    if not known.any():
        return table, ()
    finding = Problem("", "held_out_rows", None, {"value": int(known.sum())})
    return table.take(np.flatnonzero(~known)), (finding,)


def _latest(table: ShotTable, max_rows: int) -> tuple[ShotTable, tuple[Problem, ...]]:
    if table.n_rows <= max_rows:
        return table, ()
    latest = np.arange(table.n_rows - max_rows, table.n_rows)
    params = {"value": f"{max_rows:,}", "n_rows": f"{table.n_rows:,}"}
    return table.take(latest), (Problem("max_rows", "rows_capped", None, params),)


def _shots(table: ShotTable) -> Shots:
    if not table.n_rows:
        params = {"value": 0, "low": MIN_DISTINCT}
        raise NotTrainable([Problem("", "too_few_rows", None, params)])
    labels = table.labels()
    if labels is None:
        raise NotTrainable([Problem("", "not_labelled")])
    matrix = table.matrix()
    return Shots(matrix, labels, group_numbers(matrix), _molds(table))


def _molds(table: ShotTable) -> NDArray[np.intp] | None:
    """Return the number of each row's mold; rows without a name share one."""
    names = table.metadata("Mold")
    if names is None:
        return None
    return np.unique([name or "" for name in names], return_inverse=True)[1]


def _refuse_untrainable(shots: Shots, checks: DataChecks) -> None:
    n_defects = int(shots.labels.sum())
    problems = []
    if len(shots) < MIN_DISTINCT:
        params = {"value": len(shots), "low": MIN_DISTINCT}
        problems.append(Problem("", "too_few_rows", None, params))
    elif min(n_defects, len(shots) - n_defects) < MIN_PER_CLASS:
        params = {"n_defects": n_defects, "n_rows": len(shots), "low": MIN_PER_CLASS}
        problems.append(Problem("", "one_class", None, params))
    if len(checks.constant) == N_FEATURES:
        problems.append(Problem("", "no_usable_column"))
    if problems:
        raise NotTrainable(problems)


def _trials(basis: _Basis) -> tuple[_Trial, tuple[_Trial, ...], tuple[Problem, ...]]:
    """Return the protocol that counts, those beside it, and why others cannot be run.

    Leaking ones keep copies and run one fold.
    """
    params, seed = basis.params, basis.seed
    chosen = PROTOCOLS[params.protocol]
    try:
        main = _Trial(chosen, basis.shots, plan(basis.shots, chosen, params, seed))
    except TooFewParts as exc:
        raise NotTrainable([Problem("protocol", "too_few_parts", None, _by(chosen))]) from exc
    others, unplanned = [], []
    for protocol in PROTOCOLS.values():
        if not params.compare or protocol is chosen:
            continue
        shots = basis.every if protocol.leaks else basis.shots
        try:
            plans = plan(shots, protocol, params, seed, first_only=protocol.leaks)
        except TooFewParts:
            unplanned.append(Problem("protocol", "too_few_parts", None, _by(protocol)))
            continue
        others.append(_Trial(protocol, shots, plans))
    return main, tuple(others), tuple(unplanned)


def _by(protocol: Protocol) -> dict[str, object]:
    return {"value": protocol.name, "part": protocol.by}


def _main_fits(basis: _Basis, trial: _Trial, meter: Meter) -> tuple[FoldFit, ...]:
    try:
        return cross_fit(trial.shots, trial.plans, basis.params, basis.seed, meter)
    except OneClassPart as exc:
        params = {"value": trial.protocol.name}
        raise NotTrainable([Problem("", "folds_not_trainable", None, params)]) from exc


def _compared(
    basis: _Basis, trials: Sequence[_Trial], meter: Meter
) -> tuple[tuple[ProtocolResult, ...], tuple[Problem, ...]]:
    results, failed = [], []
    for trial in trials:
        try:
            fits = cross_fit(trial.shots, trial.plans, basis.params, basis.seed, meter)
        except OneClassPart:
            failed.append(Problem(trial.protocol.name, "comparison_not_possible"))
            continue
        results.append(_judged(basis, trial, fits, meter))
    return tuple(results), tuple(failed)


def _judged(basis: _Basis, trial: _Trial, fits: Sequence[FoldFit], meter: Meter) -> ProtocolResult:
    message = f"Drawing intervals under the protocol {trial.protocol.name}"
    return evaluation.judge(
        trial.shots,
        fits,
        trial.protocol,
        seed=basis.seed,
        n_draws=basis.params.n_bootstraps,
        on_draw=lambda: meter.advance(0, message),
    )


@dataclass(frozen=True, eq=False)
class _Calling:
    """How the final model turns raw scores into calls, learned from out-of-fold scores."""

    rows: NDArray[np.intp]
    calibration: Calibration
    probability: NDArray[np.float64]
    threshold: float
    confidence: ConfidenceRule

    @property
    def called(self) -> NDArray[np.bool_]:
        called: NDArray[np.bool_] = self.probability >= self.threshold
        return called


def _calling(shots: Shots, fits: Sequence[FoldFit]) -> _Calling:
    rows = np.concatenate([one.fold.test for one in fits])
    raw = np.concatenate([one.raw for one in fits])
    labels = shots.labels[rows]
    calibration = fit_platt(raw, labels)
    probability = calibration.probability(raw)
    threshold = best_f1_threshold(labels, probability)
    error = expected_calibration_error(
        labels, probability, probability >= threshold, np.ones(len(rows))
    )
    rule = learn_rule(labels, probability, threshold, error)
    return _Calling(rows, calibration, probability, threshold, rule)


def _assembled(
    basis: _Basis,
    fits: Sequence[FoldFit],
    fitted: Fitted,
    result: ProtocolResult,
    comparisons: tuple[ProtocolResult, ...],
    failed: tuple[Problem, ...],
) -> TrainedModel:
    matrix = basis.shots.matrix
    calling = _calling(basis.shots, fits)
    warned = evaluation.figure_findings(result, comparisons)
    findings = (*basis.findings, *failed, *warned)
    return TrainedModel(
        params=basis.params,
        seed=basis.seed,
        signature=learned_signature(matrix),
        fitted=fitted,
        projection=fit_projection(fitted.imputer.fill(matrix)),
        calibration=calling.calibration,
        threshold=calling.threshold,
        confidence=calling.confidence,
        report=_report(basis, fits, fitted, result, comparisons, calling.threshold, findings),
        baseline=drift_baseline(
            matrix[calling.rows],
            FEATURE_NAMES,
            calling.probability,
            calling.called,
            seed=basis.seed,
        ),
    )


def _report(
    basis: _Basis,
    fits: Sequence[FoldFit],
    fitted: Fitted,
    result: ProtocolResult,
    comparisons: tuple[ProtocolResult, ...],
    threshold: float,
    findings: tuple[Problem, ...],
) -> EvaluationReport:
    shots = basis.shots
    rows, scored = evaluation.out_of_fold(shots, fits)
    parts = evaluation.slices(
        scored, basis.slice_columns(rows), seed=basis.seed, n_draws=basis.params.n_bootstraps
    )
    worst = evaluation.worst(parts)
    columns = (*FEATURE_NAMES, *(f"Latent_{number + 1}" for number in range(basis.params.n_latent)))
    ranked = sorted(
        zip(columns, fitted.learner.importance().tolist(), strict=True), key=lambda item: -item[1]
    )
    return EvaluationReport(
        seed=basis.seed,
        params=basis.params.to_dict(),
        n_rows=len(basis.every),
        n_distinct=len(shots),
        n_groups=len(np.unique(shots.groups)),
        defect_share=float(shots.labels.mean()),
        threshold=threshold,
        result=result,
        comparisons=comparisons,
        confusion=evaluation.confusion(scored),
        calibration_curve=evaluation.curve(scored),
        operating_points=operating_points(scored.labels, scored.probability),
        folds=evaluation.fold_results(shots, fits),
        slices=parts,
        worst_slice=worst,
        importance=dict(ranked),
        checks=basis.checks,
        findings=(*findings, *evaluation.slice_findings(result, worst)),
    )
